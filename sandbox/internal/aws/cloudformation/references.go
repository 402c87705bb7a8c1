package cloudformation

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// reference is a mention of something else in a template: of a parameter or resource,
// or of an attribute of a resource.
type reference struct{ name, attribute string }

// variable is what Fn::Sub puts values in the place of: ${Name}, ${Name.Attribute};
// ${!Name} stays as ${Name}.
var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// call is a function in a template, and what it is given.
func call(v any) (name string, argument any, ok bool) {
	m, isMap := v.(props)
	if !isMap || len(m) != 1 {
		return "", nil, false
	}
	for name, argument = range m {
	}
	return name, argument, name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::")
}

// references are all that a part of a template mentions.
func references(v any) (found []reference) {
	switch name, argument, is := call(v); {
	case is && name == "Ref":
		text, _ := argument.(string)
		return []reference{{name: text}}
	case is && name == "Fn::GetAtt":
		logical, attribute, _ := attributeOf(argument)
		return []reference{{logical, attribute}}
	case is && name == "Fn::Sub":
		return substituted(argument)
	}
	switch v := v.(type) {
	case props:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			found = append(found, references(v[key])...)
		}
	case []any:
		for _, e := range v {
			found = append(found, references(e)...)
		}
	}
	return found
}

// substituted are the references of a Fn::Sub, without the variables that it defines.
func substituted(argument any) (found []reference) {
	text, own := subOf(argument)
	for _, match := range variable.FindAllStringSubmatch(text, -1) {
		name, attribute, _ := strings.Cut(match[1], ".")
		if _, defined := own[match[1]]; !defined && !strings.HasPrefix(name, "!") {
			found = append(found, reference{name, attribute})
		}
	}
	return append(found, references(own)...)
}

// subOf is the text of a Fn::Sub, and the variables that it defines.
func subOf(argument any) (text string, own props) {
	list, ok := argument.([]any)
	if !ok {
		text, _ = argument.(string)
		return text, nil
	}
	if len(list) == 2 {
		text, _ = list[0].(string)
		own, _ = list[1].(props)
	}
	return text, own
}

// attributeOf is what a Fn::GetAtt names.
func attributeOf(argument any) (logical, attribute string, ok bool) {
	if text, isText := argument.(string); isText {
		return strings.Cut(text, ".")
	}
	list, _ := argument.([]any)
	if len(list) != 2 {
		return "", "", false
	}
	logical, _ = list[0].(string)
	attribute, ok = list[1].(string) // what is computed is refused
	return logical, attribute, ok
}

// needs are the other resources that one has to wait for.
func (t *template) needs(logical string) (found []string) {
	r := t.Resources[logical]
	found = slices.Clone(r.DependsOn)
	for _, ref := range references(r.Properties) {
		if _, is := t.Resources[ref.name]; is && ref.name != logical {
			found = append(found, ref.name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// circle is the resources that wait for each other, nil if none do.
func (t *template) circle() []string {
	left := maps.Clone(t.Resources)
	for {
		before := len(left)
		for name := range left {
			if !slices.ContainsFunc(t.needs(name), func(other string) bool { _, waits := left[other]; return waits }) {
				delete(left, name)
			}
		}
		if len(left) == before {
			return slices.Sorted(maps.Keys(left))
		}
	}
}
