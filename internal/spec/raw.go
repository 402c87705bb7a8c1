package spec

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/plan"
)

const rawExample = "queue: {type: AWS::SQS::Queue, properties: {DelaySeconds: 5}}"

func (l *loader) resources(f field) {
	l.custom = l.customScopes()
	for _, e := range f.entries(rawExample) {
		if !logicalName.MatchString(e.name) {
			e.fail("start with a letter and use letters, digits, - and _", "%q is not a name for a resource", e.name)
		}
		if r, ok := l.resource(e); ok {
			l.spec.Resources = append(l.spec.Resources, r)
		}
	}
}

func (l *loader) resource(e entry) (Raw, bool) {
	r := Raw{Name: e.name, At: e.at}
	o, ok := e.object(rawExample, slices.Concat([]string{"type", "name", "properties"}, allOptions)...)
	if !ok {
		return r, false
	}
	r.Options = o.options()
	typ := o.need("type", "add type: AWS::SQS::Queue")
	if r.Type, ok = typ.word("type: AWS::SQS::Queue"); !ok {
		return r, false
	}
	switch {
	case awsType.MatchString(r.Type):
		ok = l.awsResource(&r, o)
		return r, ok
	case kubeType.MatchString(r.Type):
		ok = l.kubeResource(&r, o)
		return r, ok
	case strings.Contains(r.Type, "::"):
		typ.fail("write it as in AWS::SQS::Queue", "%q is not a CloudFormation type", r.Type)
	default:
		typ.fail("write it as in AWS::SQS::Queue, v1/ConfigMap or apps/v1/Deployment",
			"%q is a type of neither AWS nor Kubernetes", r.Type)
	}
	return r, false
}

// awsResource reads an AWS object. Drover names it, so that a replacement can
// stand beside it, unless its properties do.
func (l *loader) awsResource(r *Raw, o object) bool {
	properties, ok := l.properties(o.get("properties"))
	if !ok {
		return false
	}
	r.Properties = properties
	name := o.get("name")
	own := nameProperties[r.Type]
	switch {
	case name.given() && own == "":
		name.fail("put the name among the properties", "Drover does not know which property holds the name of an %s", r.Type)
	case name.given() && r.Properties[own] != nil:
		name.fail("remove one of the two", "the properties hold %s already", own)
	case name.given():
		r.BaseName, _ = name.word("name: orders")
	}
	if r.Properties[own] == nil {
		r.NameProperty = own
	}
	return true
}

// properties are a mapping; none at all is an empty one.
func (l *loader) properties(f field) (plan.Props, bool) {
	if !f.given() {
		return plan.Props{}, true
	}
	p, ok := f.tree(nil).(plan.Props)
	if !ok {
		f.wrongType("a mapping", "write it as properties: {Key: value}")
	}
	return p, ok
}

// kubeResource reads an object whose type stands outside of its properties.
func (l *loader) kubeResource(r *Raw, o object) bool {
	properties := o.get("properties")
	if properties.given() && properties.node.Kind != yaml.MappingNode {
		properties.wrongType("a mapping", "write it as properties: {Key: value}")
		return false
	}
	body := properties.objectFields(r.Type, nil)
	slash := strings.LastIndexByte(r.Type, '/')
	body["apiVersion"], body["kind"] = r.Type[:slash], r.Type[slash+1:]
	metadata, _ := body["metadata"].(map[string]any)
	if metadata == nil {
		metadata = make(map[string]any)
		body["metadata"] = metadata
	}
	if name := o.get("name"); name.given() {
		metadata["name"], _ = name.word("name: settings")
	} else if metadata["name"] == nil {
		metadata["name"] = r.Name
	}
	r.Object = &Object{Type: r.Type, Body: body, At: r.At}
	if provider := o.get("provider"); provider.given() {
		provider.fail("remove it", "a Kubernetes object is in the cluster")
	}
	if aliases := o.get("aliases"); aliases.given() {
		aliases.fail("remove it", "a Kubernetes object is called as it is in the cluster, whatever the file calls it")
	}
	if !o.identity(r.Object, metadata) {
		return false
	}
	addScope(l.custom, *r.Object)
	l.settleScope(r.Object, l.custom)
	return true
}
