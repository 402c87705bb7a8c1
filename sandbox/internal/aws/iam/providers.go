package iam

import (
	"net/http"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) providerActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateOpenIDConnectProvider": wire.Must(s.createProvider, "Url"),
		"GetOpenIDConnectProvider":    wire.Must(s.getProvider, "OpenIDConnectProviderArn"),
		"ListOpenIDConnectProviders":  s.listProviders,
		"DeleteOpenIDConnectProvider": wire.Must(s.deleteProvider, "OpenIDConnectProviderArn"),
	}
}

func (s *Service) createProvider(_ *http.Request, f wire.Form) (any, error) {
	p := &region.OIDCProvider{URL: f.Get("Url"), Clients: f.List("ClientIDList"), Thumbprints: f.List("ThumbprintList"), Tags: tagsIn(f)}
	err := s.store.Update(f.Whole(func(st *region.State) error {
		_, err := st.CreateOIDCProvider(p, region.Stamp(s.now()))
		return err
	}))
	return struct {
		ARN  string `xml:"OpenIDConnectProviderArn"`
		Tags []tag  `xml:"Tags>member"`
	}{p.ARN, showTags(p.Tags)}, err
}

func (s *Service) getProvider(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		URL         string   `xml:"Url"`
		Clients     []string `xml:"ClientIDList>member"`
		Thumbprints []string `xml:"ThumbprintList>member"`
		Created     string   `xml:"CreateDate"`
		Tags        []tag    `xml:"Tags>member"`
	}
	err := s.store.Read(func(st *region.State) error {
		p, ok := st.OIDCProviders[f.Get("OpenIDConnectProviderArn")]
		if !ok {
			return none("OpenIDConnect Provider not found for arn %s", f.Get("OpenIDConnectProviderArn"))
		}
		out.URL, out.Created, out.Tags = p.URL, stamp(p.Created), showTags(p.Tags)
		out.Clients, out.Thumbprints = p.Clients, p.Thumbprints
		return nil
	})
	return out, err
}

func (s *Service) listProviders(*http.Request, wire.Form) (any, error) {
	type item struct {
		ARN string `xml:"Arn"`
	}
	var out struct {
		Providers []item `xml:"OpenIDConnectProviderList>member"`
	}
	s.store.View(func(st *region.State) {
		for _, p := range region.Sorted(st.OIDCProviders) {
			out.Providers = append(out.Providers, item{p.ARN})
		}
	})
	return out, nil
}

// deleteProvider succeeds also when there is nothing to delete, as on AWS.
func (s *Service) deleteProvider(_ *http.Request, f wire.Form) (any, error) {
	return s.update(f, func(st *region.State) error {
		delete(st.OIDCProviders, f.Get("OpenIDConnectProviderArn"))
		return nil
	})
}
