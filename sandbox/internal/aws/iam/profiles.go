package iam

import (
	"net/http"
	"slices"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) profileActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateInstanceProfile":         wire.Must(s.createProfile, "InstanceProfileName"),
		"GetInstanceProfile":            wire.Must(s.getProfile, "InstanceProfileName"),
		"ListInstanceProfiles":          s.listProfiles,
		"ListInstanceProfilesForRole":   wire.Must(s.listProfilesOf, "RoleName"),
		"AddRoleToInstanceProfile":      wire.Must(s.addRole, "InstanceProfileName", "RoleName"),
		"RemoveRoleFromInstanceProfile": wire.Must(s.removeRole, "InstanceProfileName", "RoleName"),
		"DeleteInstanceProfile":         wire.Must(s.deleteProfile, "InstanceProfileName"),
	}
}

type profile struct {
	Path    string
	Name    string `xml:"InstanceProfileName"`
	ID      string `xml:"InstanceProfileId"`
	ARN     string `xml:"Arn"`
	Created string `xml:"CreateDate"`
	Roles   []role `xml:"Roles>member"`
	Tags    []tag  `xml:"Tags>member"`
}

func showProfile(st *region.State, p *region.InstanceProfile) profile {
	out := profile{Path: p.Path, Name: p.InstanceProfileName, ID: p.ID, ARN: p.Arn, Created: stamp(p.Created), Tags: showTags(p.Tags)}
	for _, name := range p.Roles {
		if r, ok := st.Roles[name]; ok {
			out.Roles = append(out.Roles, showRole(r))
		}
	}
	return out
}

func profileOf(st *region.State, f wire.Form) (*region.InstanceProfile, error) {
	if p, ok := st.Profiles[f.Get("InstanceProfileName")]; ok {
		return p, nil
	}
	return nil, none("Instance Profile %s cannot be found.", f.Get("InstanceProfileName"))
}

// createProfile makes one without a role: that comes in a call of its own.
func (s *Service) createProfile(_ *http.Request, f wire.Form) (any, error) {
	p := &region.InstanceProfile{InstanceProfileName: f.Get("InstanceProfileName"), Path: f.Get("Path"), Tags: tagsIn(f)}
	if err := checkName("instanceProfileName", p.InstanceProfileName); err != nil {
		return nil, err
	}
	var out struct{ InstanceProfile profile }
	err := s.store.Update(f.Whole(func(st *region.State) error {
		_, err := st.AddProfile(p, region.Stamp(s.now()))
		out.InstanceProfile = showProfile(st, p)
		return err
	}))
	return out, err
}

func (s *Service) getProfile(_ *http.Request, f wire.Form) (any, error) {
	var out struct{ InstanceProfile profile }
	err := s.store.Read(func(st *region.State) error {
		p, err := profileOf(st, f)
		if err == nil {
			out.InstanceProfile = showProfile(st, p)
		}
		return err
	})
	return out, err
}

func (s *Service) listProfiles(_ *http.Request, f wire.Form) (any, error) {
	return s.profiles(f, func(p *region.InstanceProfile) bool { return under(f, p.Path) })
}

func (s *Service) listProfilesOf(_ *http.Request, f wire.Form) (any, error) {
	if err := s.store.Read(func(st *region.State) error { _, err := roleOf(st, f); return err }); err != nil {
		return nil, err
	}
	return s.profiles(f, func(p *region.InstanceProfile) bool { return slices.Contains(p.Roles, f.Get("RoleName")) })
}

func (s *Service) profiles(f wire.Form, wanted func(*region.InstanceProfile) bool) (any, error) {
	var out struct {
		Profiles []profile `xml:"InstanceProfiles>member"`
		cut
	}
	var list []profile
	s.store.View(func(st *region.State) {
		for _, p := range region.Sorted(st.Profiles) {
			if wanted(p) {
				list = append(list, showProfile(st, p))
			}
		}
	})
	var err error
	out.Profiles, out.cut, err = page(f, list)
	return out, err
}

func (s *Service) addRole(_ *http.Request, f wire.Form) (any, error) {
	return s.update(f, func(st *region.State) error {
		p, err := profileOf(st, f)
		if err != nil {
			return err
		}
		r, err := roleOf(st, f)
		if err != nil {
			return err
		}
		next := *p
		next.Roles = append(slices.Clone(p.Roles), r.RoleName)
		if err := st.CheckProfile(&next); err != nil {
			return err
		}
		p.Roles = next.Roles
		return nil
	})
}

func (s *Service) removeRole(_ *http.Request, f wire.Form) (any, error) {
	return s.update(f, func(st *region.State) error {
		p, err := profileOf(st, f)
		if err != nil {
			return err
		}
		left, was := without(p.Roles, f.Get("RoleName"))
		if !was {
			return none("The role with name %s cannot be found.", f.Get("RoleName"))
		}
		p.Roles = left
		return nil
	})
}

func (s *Service) deleteProfile(_ *http.Request, f wire.Form) (any, error) {
	return s.update(f, func(st *region.State) error {
		p, err := profileOf(st, f)
		if err != nil {
			return err
		}
		if len(p.Roles) > 0 {
			return region.Errorf(region.Dependency, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
		}
		return st.DeleteProfile(p)
	})
}
