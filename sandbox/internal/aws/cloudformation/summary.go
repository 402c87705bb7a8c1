package cloudformation

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/cloudcontrol"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

type declaredItem struct {
	Key         string `xml:"ParameterKey"`
	Default     string `xml:"DefaultValue,omitempty"`
	NoEcho      bool
	Description string `xml:",omitempty"`
}

// validateTemplate says what a template asks for, or what is wrong with it.
func (s *Service) validateTemplate(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Description  string         `xml:",omitempty"`
		Parameters   []declaredItem `xml:"Parameters>member"`
		Capabilities []string       `xml:"Capabilities>member,omitempty"`
		Reason       string         `xml:"CapabilitiesReason,omitempty"`
	}
	err := s.store.Read(func(st *region.State) error {
		t, err := s.read(st, &region.Stack{Template: f.Get("TemplateBody")})
		if err != nil {
			return err
		}
		out.Description, out.Parameters = t.Description, t.declared()
		if needed, types := t.capabilities(); needed != "" {
			out.Capabilities = []string{needed}
			out.Reason = fmt.Sprintf("The following resource(s) require capabilities: [%s]", strings.Join(types, ", "))
		}
		return nil
	})
	return out, err
}

func (t *template) declared() (list []declaredItem) {
	for _, key := range slices.Sorted(maps.Keys(t.Parameters)) {
		p := t.Parameters[key]
		item := declaredItem{Key: key, NoEcho: p.hidden(), Description: p.Description}
		if p.Default != nil {
			item.Default = fmt.Sprint(cloudcontrol.Text(p.Default))
		}
		list = append(list, item)
	}
	return list
}
