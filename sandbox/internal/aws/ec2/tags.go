package ec2

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

func (s *Service) tagActions() map[string]wire.Action {
	return map[string]wire.Action{
		"CreateTags":   s.createTags,
		"DeleteTags":   s.deleteTags,
		"DescribeTags": s.describeTags,
	}
}

// specifiedTags are those that a Create call wants on what it makes. It makes
// objects of the given types alone.
func specifiedTags(f wire.Form, resources ...string) (region.Tags, error) {
	var tags region.Tags
	for _, spec := range f.Each("TagSpecification") {
		if kind := spec.Get("ResourceType"); !slices.Contains(resources, kind) {
			return nil, region.Errorf(region.Invalid, "InvalidParameterValue",
				"'%s' is not a valid taggable resource type for this operation.", kind)
		}
		for _, t := range spec.Each("Tag") {
			if err := mayTag(t.Get("Key")); err != nil {
				return nil, err
			}
			tags.Set(region.Tag{Key: t.Get("Key"), Value: t.Get("Value")})
		}
	}
	return tags, nil
}

func mayTag(key string) error {
	if key == "" {
		return region.Errorf(region.Invalid, "MissingParameter", "The request must contain the parameter Key")
	}
	if strings.HasPrefix(key, "aws:") {
		return region.Errorf(region.Invalid, "InvalidParameterValue",
			"Value ( %s ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use", key)
	}
	return nil
}

func (s *Service) createTags(_ *http.Request, f wire.Form) (any, error) {
	return s.changeTags(f, func(tags *region.Tags, key string, t wire.Form) {
		tags.Set(region.Tag{Key: key, Value: t.Get("Value")})
	})
}

// deleteTags takes tags away: those named, or all that are not AWS's own.
func (s *Service) deleteTags(_ *http.Request, f wire.Form) (any, error) {
	if len(f.Each("Tag")) == 0 {
		return s.eachTagged(f, func(tags *region.Tags) error {
			*tags = slices.DeleteFunc(*tags, func(t region.Tag) bool { return !strings.HasPrefix(t.Key, "aws:") })
			return nil
		})
	}
	return s.changeTags(f, func(tags *region.Tags, key string, t wire.Form) {
		var value *string
		if t.Has("Value") {
			v := t.Get("Value")
			value = &v
		}
		tags.Remove(key, value)
	})
}

func (s *Service) changeTags(f wire.Form, change func(*region.Tags, string, wire.Form)) (any, error) {
	return s.eachTagged(f, func(tags *region.Tags) error {
		for _, t := range f.Each("Tag") {
			key := t.Get("Key")
			if err := mayTag(key); err != nil {
				return err
			}
			change(tags, key, t)
		}
		return nil
	})
}

// eachTagged changes the tags of the objects that a request names.
func (s *Service) eachTagged(f wire.Form, change func(*region.Tags) error) (any, error) {
	ids := f.List("ResourceId")
	if len(ids) == 0 {
		return nil, need(f, "ResourceId")
	}
	return done(s.change(f, func(st *region.State) error {
		for _, id := range ids {
			tags := st.TagsOf(id)
			if tags == nil {
				return unknownResource(id)
			}
			if err := change(tags); err != nil {
				return err
			}
		}
		return nil
	}))
}

// unknownResource is the answer to an ID of any kind that names nothing.
func unknownResource(id string) error {
	for _, k := range []idKind{vpcIDs, subnetIDs, gatewayIDs, natIDs, tableIDs, groupIDs, allocIDs, interfaceIDs, instanceIDs, imageIDs,
		templateIDs, volumeIDs} {
		if strings.HasPrefix(id, k.prefix) {
			return k.unknown(id)
		}
	}
	return region.Errorf(region.NotFound, "InvalidID", "The ID '%s' is not valid", id)
}

type tagged struct {
	ID    string `xml:"resourceId"`
	Type  string `xml:"resourceType"`
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func (s *Service) describeTags(_ *http.Request, f wire.Form) (any, error) {
	key, value := one(func(t tagged) string { return t.Key }), one(func(t tagged) string { return t.Value })
	items, next, err := list(s, f, listing[tagged, tagged]{
		all: allTags,
		filters: filters[tagged]{"resource-id": one(func(t tagged) string { return t.ID }),
			"resource-type": one(func(t tagged) string { return t.Type }), "key": key, "value": value},
		tags: func(t tagged) region.Tags { return region.Tags{{Key: t.Key, Value: t.Value}} },
		show: func(_ *region.State, t tagged) tagged { return t },
	})
	return struct {
		Tags []tagged `xml:"tagSet>item"`
		Next string   `xml:"nextToken,omitempty"`
	}{items, next}, err
}

// allTags are the tags of everything, in a stable order.
func allTags(st *region.State) []tagged {
	var all []tagged
	for id, kind := range taggable(st) {
		for _, t := range *st.TagsOf(id) {
			all = append(all, tagged{id, kind, t.Key, t.Value})
		}
	}
	slices.SortFunc(all, func(a, b tagged) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Key, b.Key)) })
	return all
}

// taggable lists what carries tags: ID -> resource type.
func taggable(st *region.State) map[string]string {
	found := map[string]string{}
	add(found, st.VPCs, "vpc")
	add(found, st.Subnets, "subnet")
	add(found, st.Gateways, "internet-gateway")
	add(found, st.NATs, "natgateway")
	add(found, st.RouteTables, "route-table")
	add(found, st.SecurityGroups, "security-group")
	add(found, st.Instances, "instance")
	add(found, st.LaunchTemplates, "launch-template")
	add(found, st.Volumes, "volume")
	for _, a := range st.Addresses {
		found[a.AllocationID] = "elastic-ip"
	}
	return found
}

func add[T any](found map[string]string, m map[string]*T, kind string) {
	for id := range m {
		found[id] = kind
	}
}
