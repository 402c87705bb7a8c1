package spec

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Imported is a resource that stands, as the file would declare it.
type Imported struct {
	Name string // what references call it; empty: made of the identifier
	Type string
	ID   string // AWS: what Cloud Control calls it; Kubernetes: namespace/name, or name
}

// Raw is the entry of resources, still without properties.
func (i Imported) Raw() (Raw, error) {
	if i.Name == "" {
		i.Name = nameOf(i.ID)
	}
	r := Raw{Name: i.Name, Type: i.Type}
	switch {
	case !logicalName.MatchString(i.Name):
		return r, remedy("start with a letter and use letters, digits, - and _", "%q is not a name for a resource", i.Name)
	case awsType.MatchString(i.Type):
		return r, nil
	case kubeType.MatchString(i.Type):
		namespace, name, namespaced := strings.Cut(i.ID, "/")
		if !namespaced {
			namespace, name = "", i.ID
		}
		if namespace == "" && builtIn(i.Type) && !slices.Contains(clusterScoped, kindOf(i.Type)) {
			namespace = "default"
		}
		r.Object = &Object{Type: i.Type, Namespace: namespace, Name: name}
		return r, nil
	}
	return r, &problem.Error{Kind: problem.Usage, Err: fmt.Errorf("%q is a type of neither AWS nor Kubernetes", i.Type),
		Fix: "write it as in AWS::SQS::Queue, v1/ConfigMap or apps/v1/Deployment"}
}

var (
	noName    = regexp.MustCompile(`[^A-Za-z0-9_-]+`)
	noLetters = regexp.MustCompile(`^[^A-Za-z]+`)
)

// nameOf makes a name of an identifier: of an ARN, a path or a list, its end.
func nameOf(id string) string {
	end := id[strings.LastIndexAny(strings.TrimRight(id, "/:|"), "/:|")+1:]
	if name := noLetters.ReplaceAllString(strings.Trim(noName.ReplaceAllString(end, "-"), "-"), ""); name != "" {
		return name
	}
	return "imported"
}

// Paste is the text to put into the stack file for a resource that stands, with
// the properties that it has. Read again, it gives just these properties.
func Paste(r Raw, props plan.Props) (string, error) {
	props = maps.Clone(props)
	if r.Object != nil {
		delete(props, "apiVersion")
		delete(props, "kind")
	}
	entry := mapping("type", scalar(r.Type), "protect", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	if len(props) > 0 {
		entry.Content = append(entry.Content, scalar("properties"), written(props))
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(mapping("resources", mapping(r.Name, entry))); err != nil {
		return "", fmt.Errorf("write the resource: %w", err)
	}
	return b.String(), e.Close()
}

func mapping(pairs ...any) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i < len(pairs); i += 2 {
		m.Content = append(m.Content, scalar(pairs[i].(string)), pairs[i+1].(*yaml.Node))
	}
	return m
}

func scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

// written is a value as the file has it: every "${" in it is meant.
func written(v any) *yaml.Node {
	switch v := v.(type) {
	case map[string]any:
		m := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			m.Content = append(m.Content, scalar(key), written(v[key]))
		}
		return m
	case []any:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			list.Content = append(list.Content, written(item))
		}
		return list
	case string:
		return scalar(value.Escape(v))
	case float64:
		if v == math.Trunc(v) && math.Abs(v) <= maxExact {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: fmt.Sprintf("%.0f", v)}
		}
	}
	n := &yaml.Node{}
	if err := n.Encode(v); err != nil {
		return scalar(fmt.Sprint(v))
	}
	return n
}
