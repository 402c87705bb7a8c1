package cloudformation

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readYAML reads a template as JSON data, with the short forms of functions (!Ref)
// written out. JSON is YAML, too.
func readYAML(text string) (any, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 {
		return nil, errors.New("unsupported structure")
	}
	return fromYAML(document.Content[0])
}

func fromYAML(n *yaml.Node) (any, error) {
	name, short := strings.CutPrefix(n.Tag, "!")
	if !short || strings.HasPrefix(name, "!") {
		return plain(n)
	}
	bare := *n
	if bare.Tag = ""; n.Kind == yaml.ScalarNode {
		bare.Tag = "!!str"
	}
	v, err := plain(&bare)
	if text, ok := v.(string); ok && name == "GetAtt" {
		logical, attribute, _ := strings.Cut(text, ".")
		v = []any{logical, attribute}
	}
	if name != "Ref" && name != "Condition" {
		name = "Fn::" + name
	}
	return props{name: v}, err
}

// plain is a node whose tag is no function's.
func plain(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return mapping(n)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for k, sub := range n.Content {
			var err error
			if list[k], err = fromYAML(sub); err != nil {
				return nil, err
			}
		}
		return list, nil
	case yaml.ScalarNode:
		return value(n)
	case yaml.AliasNode, yaml.DocumentNode:
	}
	return nil, errors.New("YAML aliases are not allowed in CloudFormation templates")
}

func mapping(n *yaml.Node) (any, error) {
	m := props{}
	for k := 0; k < len(n.Content); k += 2 {
		key := n.Content[k].Value
		if _, twice := m[key]; twice {
			return nil, fmt.Errorf("YAML not well-formed. Duplicate key %s (line %d)", key, n.Content[k].Line)
		}
		v, err := fromYAML(n.Content[k+1])
		if err != nil {
			return nil, err
		}
		m[key] = v
	}
	return m, nil
}

// value is a scalar. A date (2012-10-17) is text, as all that is no number or truth.
func value(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, fmt.Errorf("[/%d] 'null' values are not allowed in templates", n.Line)
	case "!!bool":
		return strconv.ParseBool(strings.ToLower(n.Value))
	case "!!int", "!!float":
		f, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return n.Value, nil
		}
		return f, nil
	}
	return n.Value, nil
}
