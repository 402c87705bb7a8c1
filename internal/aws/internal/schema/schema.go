// Package schema reads the facts of an AWS resource type that an engine needs
// out of its CloudFormation registry schema: what identifies an object, what
// can never change, what is never read back, and how it is tagged.
//
// The facts of common types are made once (genfacts) and embedded in package
// aws; those of any other type are read from the same schema at run time.
package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Facts are what a driver must know of a resource type. Properties are named
// by path without a leading slash: "KubernetesNetworkConfig/IpFamily"; a "*"
// stands for every item of a list.
type Facts struct {
	ID          []string `json:"id"`                    // the identifier's parts, joined by "|" in this order
	CreateOnly  []string `json:"createOnly,omitempty"`  // a change means another object
	Conditional []string `json:"conditional,omitempty"` // a change may mean another object; only the service knows
	ReadOnly    []string `json:"readOnly,omitempty"`    // set by the service
	WriteOnly   []string `json:"writeOnly,omitempty"`   // never read back
	Immutable   bool     `json:"immutable,omitempty"`   // there is no update at all
	DeleteFirst bool     `json:"deleteFirst,omitempty"` // old and new cannot stand side by side
	Tags        string   `json:"tags,omitempty"`        // the property that holds tags; empty: it has none
	TagStyle    TagStyle `json:"tagStyle,omitempty"`
	Properties  []string `json:"properties,omitempty"` // all that it has at the top, sorted
}

// TagStyle is the form that a type gives its tags.
type TagStyle string

// The styles. Most types have a list.
const (
	List     TagStyle = "list"     // [{Key, Value}]
	Map      TagStyle = "map"      // {key: value}
	Group    TagStyle = "group"    // [{Key, Value, PropagateAtLaunch}]
	Template TagStyle = "template" // [{ResourceType, Tags: [{Key, Value}]}]
)

type document struct {
	TypeName    string                     `json:"typeName"`
	Properties  map[string]json.RawMessage `json:"properties"`
	Definitions map[string]json.RawMessage `json:"definitions"`
	Handlers    map[string]json.RawMessage `json:"handlers"`
	ID          []string                   `json:"primaryIdentifier"`
	CreateOnly  []string                   `json:"createOnlyProperties"`
	Conditional []string                   `json:"conditionalCreateOnlyProperties"`
	ReadOnly    []string                   `json:"readOnlyProperties"`
	WriteOnly   []string                   `json:"writeOnlyProperties"`
	Replacement string                     `json:"replacementStrategy"`
	Tagging     *struct {
		Taggable bool   `json:"taggable"`
		Property string `json:"tagProperty"`
	} `json:"tagging"`
}

// Parse reads a registry schema.
func Parse(data []byte) (typ string, f Facts, err error) {
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return "", Facts{}, fmt.Errorf("read resource schema: %w", err)
	}
	if d.TypeName == "" || len(d.ID) == 0 {
		return "", Facts{}, fmt.Errorf("read resource schema: no typeName or primaryIdentifier in it")
	}
	_, updatable := d.Handlers["update"]
	f = Facts{
		ID:          paths(d.ID),
		CreateOnly:  sorted(paths(d.CreateOnly)),
		Conditional: sorted(paths(d.Conditional)),
		ReadOnly:    sorted(paths(d.ReadOnly)),
		WriteOnly:   sorted(paths(d.WriteOnly)),
		Immutable:   !updatable,
		DeleteFirst: d.Replacement == "delete_then_create",
	}
	f.Tags, f.TagStyle = d.tags()
	f.Properties = slices.Sorted(maps.Keys(d.Properties))
	return d.TypeName, f, nil
}

// paths strips "/properties/": "/properties/VpcId" is "VpcId".
func paths(pointers []string) []string {
	out := make([]string, 0, len(pointers))
	for _, p := range pointers {
		p = strings.TrimPrefix(p, "/properties/")
		out = append(out, strings.ReplaceAll(p, "/items/", "/*/"))
	}
	return out
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// tags finds the property that holds tags, and its style by the shape of its schema.
func (d document) tags() (string, TagStyle) {
	if d.TypeName == "AWS::EC2::LaunchTemplate" {
		return "TagSpecifications", Template // says that it is not taggable; it is, at creation
	}
	if d.Tagging == nil || !d.Tagging.Taggable || d.Tagging.Property == "" {
		return "", ""
	}
	name := strings.TrimPrefix(d.Tagging.Property, "/properties/")
	var prop struct {
		Type  any `json:"type"`
		Items struct {
			Ref        string                     `json:"$ref"`
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"items"`
	}
	if err := json.Unmarshal(d.Properties[name], &prop); err != nil {
		return "", ""
	}
	if prop.Type == "object" {
		return name, Map
	}
	fields := prop.Items.Properties
	if prop.Items.Ref != "" {
		var item struct {
			Properties map[string]json.RawMessage `json:"properties"`
		}
		_ = json.Unmarshal(d.Definitions[strings.TrimPrefix(prop.Items.Ref, "#/definitions/")], &item)
		fields = item.Properties
	}
	switch {
	case fields["PropagateAtLaunch"] != nil:
		return name, Group
	case fields["Key"] != nil && fields["Value"] != nil:
		return name, List
	}
	return "", "" // a form nobody has seen yet: better no tags than a refused create
}
