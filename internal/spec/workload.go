package spec

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

const workloadExample = "nginx: {manifests: ./nginx, nodeGroup: web}"

var manifestExtensions = []string{".yaml", ".yml", ".json"}

func (l *loader) workloads(f field) {
	for _, e := range f.entries(workloadExample) {
		w := Workload{Name: e.name, At: e.at}
		e.checkLabel(e.name, maxLabel, "a workload")
		if o, ok := e.object(workloadExample, slices.Concat([]string{"manifests", "kustomize", "chart", "objects", "nodeGroup"}, allOptions)...); ok {
			o.refuse(refusedOfWorkload)
			w.Options = o.options()
			w.NodeGroup = l.workloadGroup(o.get("nodeGroup"))
			before := len(l.problems)
			w.Objects = l.objectsOf(o, e.name)
			w.incomplete = len(l.problems) > before
		}
		l.spec.Workloads = append(l.spec.Workloads, w)
	}
	l.settleScopes()
}

func (l *loader) workloadGroup(f field) string {
	if !f.given() {
		return ""
	}
	name, ok := f.word("nodeGroup: web")
	if !ok {
		return ""
	}
	if names := l.spec.groupNames(); !l.spec.hasGroup(name) {
		f.fail("declare it under nodeGroups, or name one of: "+choices(names),
			"there is no node group %q%s", name, didYouMean(name, names))
	}
	return name
}

// objectsOf reads what a workload has: manifests, what Kustomize and Helm make,
// objects in the file itself, or several of these.
func (l *loader) objectsOf(o object, name string) []Object {
	inline, folders, chart := o.get("objects"), o.get("kustomize"), o.get("chart")
	manifests := o.get("manifests")
	if !inline.given() && !folders.given() && !chart.given() {
		manifests = o.need("manifests", "add manifests: ./"+name+", kustomize, chart, or objects")
	}
	objects := slices.Concat(l.manifests(manifests), l.kustomize(folders), l.chart(chart, name))
	for _, item := range inline.items("objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}]") {
		objects = append(objects, item.objects()...)
	}
	return objects
}

// manifests reads one path or a list of them.
func (l *loader) manifests(f field) []Object {
	if !f.given() {
		return nil
	}
	paths := []field{f}
	if f.node.Kind == yaml.SequenceNode {
		paths = f.items("manifests: [./base, ./nginx]")
	}
	var objects []Object
	for _, p := range paths {
		name, ok := p.word("manifests: ./nginx")
		if !ok {
			continue
		}
		for _, file := range l.manifestFiles(p, name) {
			objects = append(objects, l.manifest(p, file)...)
		}
	}
	return objects
}

// manifestFiles lists the files that a path means: itself, or what a folder
// holds. Folders within it are not looked into, as with kubectl apply -f.
func (l *loader) manifestFiles(f field, name string) []string {
	clean, info, ok := l.within(f, "the manifests", name)
	switch {
	case !ok:
		return nil
	case !info.IsDir():
		return []string{clean}
	}
	var files []string
	for _, sibling := range l.siblings(path.Join(clean, "x")) {
		if slices.Contains(manifestExtensions, path.Ext(sibling)) {
			files = append(files, sibling)
		}
	}
	if len(files) == 0 {
		f.fail("put manifests there, or correct the path", "the folder %q holds no .yaml, .yml or .json file", name)
	}
	return files
}

// siblings are the paths in the folder in which name stands.
func (l *loader) siblings(name string) []string {
	entries, err := fs.ReadDir(l.fsys, path.Dir(name))
	if err != nil {
		return nil
	}
	paths := make([]string, len(entries))
	for i, e := range entries {
		paths[i] = path.Join(path.Dir(name), e.Name())
	}
	return paths
}

func (l *loader) manifest(f field, file string) []Object {
	if by, twice := l.read[file]; twice {
		f.fail("remove one of the two", "%s is read twice, first by %s", file, by)
		return nil
	}
	l.read[file] = f.path
	data, err := l.file(l.fsys, file)
	if err != nil {
		f.fail("name a readable file of Kubernetes objects", "%w", err)
		return nil
	}
	before := len(l.problems)
	docs := l.documents(file, data)
	if len(docs) == 0 && len(l.problems) == before {
		l.fail(problem.Place{File: file}, "", "put an object in it, or remove it", "the manifest is empty")
	}
	var objects []Object
	for _, doc := range docs {
		objects = append(objects, doc.objects()...)
	}
	return objects
}

// objects reads one document: an object, or a List of them.
func (f field) objects() []Object {
	docs := []field{f}
	if kind := f.lookup("kind"); kind != nil && kind.Value == "List" {
		docs = f.child("items", f.lookup("items"), f.at.Line).items("items: [...]")
	}
	var objects []Object
	for _, doc := range docs {
		doc.path = "" // an object's fields are called as they are in the object
		if o, ok := doc.readObject(); ok {
			objects = append(objects, o)
		}
	}
	return objects
}

func (f field) notAnObject(why string) {
	f.fail("start it with apiVersion, kind and metadata.name", "not a Kubernetes object: %s", why)
}

// lookup is the value of a key, without judging the rest.
func (f field) lookup(key string) *yaml.Node {
	if !f.given() || f.node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(f.node.Content); i += 2 {
		if f.node.Content[i].Value == key {
			return follow(f.node.Content[i+1])
		}
	}
	return nil
}

// readObject reads one object. Its strings may refer to what drover.yaml
// declares; any other "${" is the object's own business.
func (f field) readObject() (Object, bool) {
	if !f.given() || f.node.Kind != yaml.MappingNode {
		f.notAnObject("it is " + describe(f.node))
		return Object{}, false
	}
	body := f.objectTree()
	o := Object{At: f.at, Body: body}
	apiVersion, _ := body["apiVersion"].(string)
	kind, _ := body["kind"].(string)
	metadata, _ := body["metadata"].(map[string]any)
	switch {
	case apiVersion == "":
		f.notAnObject("apiVersion is missing")
		return o, false
	case kind == "":
		f.notAnObject("kind is missing")
		return o, false
	case strings.HasPrefix(apiVersion, "kustomize.config.k8s.io/"):
		f.fail("write kustomize: FOLDER in place of manifests", "a kustomization is not sent to Kubernetes as it is")
		return o, false
	case !kubeType.MatchString(apiVersion + "/" + kind):
		f.fail("write them as in apiVersion: apps/v1, kind: Deployment",
			"%s %s is not a type that Kubernetes could have", apiVersion, kind)
		return o, false
	case metadata == nil:
		f.notAnObject("metadata is missing")
		return o, false
	}
	o.Type = apiVersion + "/" + kind
	named := f.identity(&o, metadata) // fills o
	return o, named
}

// A Secret's values are hidden, whatever they are.
const secretType = "v1/Secret"

var secretFields = []string{"data", "stringData"}

// objectTree reads a whole object of a manifest.
func (f field) objectTree() plan.Props {
	typ := ""
	if apiVersion, kind := f.lookup("apiVersion"), f.lookup("kind"); apiVersion != nil && kind != nil {
		typ = apiVersion.Value + "/" + kind.Value
	}
	return f.objectFields(typ, isReference)
}

func (f field) objectFields(typ string, keep func(string) bool) plan.Props {
	body := make(plan.Props)
	for _, e := range f.entries("key: value") {
		e.hidden = e.hidden || typ == secretType && slices.Contains(secretFields, e.name)
		body[e.name] = e.tree(keep)
	}
	return body
}

// metadata is a field of the object's metadata, for its place.
func (f field) metadata(key string) field {
	metadata := f.child("metadata", f.lookup("metadata"), f.at.Line)
	found := metadata.child(key, nil, metadata.at.Line)
	for i := 0; metadata.given() && i+1 < len(metadata.node.Content); i += 2 {
		if k := metadata.node.Content[i]; k.Value == key {
			found.at.Line = k.Line
		}
	}
	return found
}

const onlyConfig = "write it out; only ${config.KEY} can stand here"

// identity reads the object's name and namespace.
func (f field) identity(o *Object, metadata map[string]any) bool {
	o.Name, _ = metadata["name"].(string)
	o.Namespace, _ = metadata["namespace"].(string)
	name, namespace := f.metadata("name"), f.metadata("namespace")
	switch {
	case metadata["generateName"] != nil && o.Name == "":
		name.fail("give it a metadata.name", "generateName makes a new object at every run")
		return false
	case !isText(metadata["name"]):
		name.fail(onlyConfig, "%q: the name must be known before anything is created, and is shown", fmt.Sprint(metadata["name"]))
		return false
	case !isText(metadata["namespace"]):
		namespace.fail(onlyConfig, "%q: the namespace must be known before anything is created, and is shown",
			fmt.Sprint(metadata["namespace"]))
		return false
	case o.Name == "":
		name.fail("add metadata: {name: ...}", "the %s has no name", kindOf(o.Type))
		return false
	}
	if rule := objectNameRule(o.Type, o.Name); rule != "" {
		name.fail(rule, "%q is not a name for a %s", o.Name, kindOf(o.Type))
	}
	if o.Namespace != "" && !dnsLabel.MatchString(o.Namespace) {
		namespace.fail(labelRule, "%q is not a name for a namespace", o.Namespace)
	}
	return true
}

// isText is false of what is not known, or not shown, when the file is read.
func isText(v any) bool {
	switch v.(type) {
	case *value.Expr, value.Secret:
		return false
	}
	return true
}

// settleScopes gives namespaced objects without a namespace that of kubectl.
// Kinds that neither Kubernetes nor a definition among the manifests knows are
// left as they are: the API server will say.
func (l *loader) settleScopes() {
	custom := l.customScopes()
	for _, w := range l.spec.Workloads {
		for i := range w.Objects {
			l.settleScope(&w.Objects[i], custom)
		}
	}
}

// customScopes maps group/Kind to the scope that its definition says.
func (l *loader) customScopes() map[string]string {
	scopes := make(map[string]string)
	for _, o := range l.spec.Objects() {
		addScope(scopes, o)
	}
	return scopes
}

func addScope(scopes map[string]string, o Object) {
	if kindOf(o.Type) != "CustomResourceDefinition" {
		return
	}
	spec, _ := o.Body["spec"].(map[string]any)
	names, _ := spec["names"].(map[string]any)
	scope, _ := spec["scope"].(string)
	scopes[fmt.Sprintf("%v/%v", spec["group"], names["kind"])] = scope
}

func (l *loader) settleScope(o *Object, custom map[string]string) {
	scope := custom[groupOf(o.Type)+"/"+kindOf(o.Type)]
	switch {
	case scope == "Cluster", builtIn(o.Type) && slices.Contains(clusterScoped, kindOf(o.Type)):
		if o.Namespace != "" {
			l.fail(o.At, kindOf(o.Type)+" "+o.Name, "remove metadata.namespace", "a %s belongs to no namespace", kindOf(o.Type))
		}
	case o.Namespace == "" && (scope == "Namespaced" || builtIn(o.Type)):
		o.Namespace = cmp.Or(o.home, "default")
		if metadata, ok := o.Body["metadata"].(map[string]any); ok {
			metadata["namespace"] = o.Namespace
		}
	}
}
