package spec

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/problem"
)

// loader reads one project.
type loader struct {
	*reader
	fsys fs.FS
	spec *Spec
	read map[string]string // manifest -> the field that names it

	custom map[string]string // group/Kind -> the scope that its definition says

	run    Runner  // of the program that says what the stack has; nil: none is run
	charts Charter // nil: charts are refused
}

// Load reads the project in fsys for one stack. The Spec may be used only if
// there are no problems.
func Load(fsys fs.FS, stack string) (*Spec, problem.List) {
	return LoadWith(fsys, stack, Outside{})
}

// Outside is what a stack file may need that is in no file of the project.
type Outside struct {
	Run     Runner
	Outputs Outputs
	Charts  Charter // Helm; nil: charts are refused
}

// LoadWith is Load for a project whose file may leave it to a program to say what
// the stack has, and may take outputs of other stacks.
func LoadWith(fsys fs.FS, stack string, outside Outside) (*Spec, problem.List) {
	l := newLoader(fsys, stack)
	l.run, l.others, l.charts = outside.Run, outside.Outputs, outside.Charts
	l.config = l.readConfig(fsys, ConfigFile(stack))
	l.spec.Config = l.config
	if root, ok := l.stackFile(); ok {
		l.sections(root)
		l.checkObjects()
		l.checkProtected()
		l.checkSizes()
		l.checkNamespaces()
		l.checkOptions()
		l.checkReferences()
	}
	_ = l.problems.Err() // sorts them in place
	return l.spec, l.problems
}

// ReadName reads the name of the project and judges nothing else in the file.
func ReadName(fsys fs.FS) (string, problem.List) {
	l := newLoader(fsys, "")
	if o, ok := l.loose(); ok {
		l.name(o.need("name", nameRemedy))
	}
	return l.spec.Name, l.problems
}

// State is where the file says that the state of all stacks is kept.
type State struct {
	URL string // empty: it does not say
	At  problem.Place
}

// ReadState reads that and judges nothing else in the file. A file with
// mistakes that does not even have the word says nothing.
func ReadState(fsys fs.FS) (State, problem.List) {
	l := newLoader(fsys, "")
	if o, ok := l.loose(); ok {
		l.state(o.get("state"))
	}
	text, err := l.file(fsys, File)
	if err == nil && !bytes.Contains(text, []byte("state")) {
		return State{}, nil
	}
	return l.spec.State, l.problems
}

// loose are the sections of the stack file, whatever else stands there.
func (l *loader) loose() (object, bool) {
	root, ok := l.stackFile()
	o := object{field: root, values: make(map[string]field)}
	if ok {
		for _, e := range root.entries("name: my-project") {
			o.values[e.name] = e.field
		}
	}
	return o, ok
}

func newLoader(fsys fs.FS, stack string) loader {
	return loader{reader: &reader{stack: stack, foreign: make(map[string]*foreign), places: make(map[*yaml.Node]problem.Place)}, fsys: fsys, spec: &Spec{Stack: stack}, read: make(map[string]string)}
}

const nameRemedy = "add a line like name: my-project"

// stackFile opens drover.yaml, which is one YAML document.
func (l *loader) stackFile() (field, bool) {
	at := problem.Place{File: File}
	data, err := l.file(l.fsys, File)
	if err != nil {
		fix := "make it a file of YAML that can be read"
		if errors.Is(err, fs.ErrNotExist) {
			fix = "drover new FOLDER makes a project; -C FOLDER works in one"
		}
		l.fail(at, "", fix, "read the stack file: %w", err)
		return field{}, false
	}
	before := len(l.problems)
	docs := l.documents(File, data)
	switch {
	case len(l.problems) > before:
		return field{}, false
	case len(docs) == 0:
		l.fail(at, "", "start with a name: eks-migrate-nodegroups", "the file is empty")
		return field{}, false
	case len(docs) > 1:
		docs[1].fail("make it one document: remove the line ---", "a second YAML document starts here")
	}
	return docs[0], true
}

func (l *loader) sections(root field) {
	o, ok := root.object("name: ..., cluster: {...}, nodeGroups: {...}",
		"name", "state", "program", "stackRefs", "tags", "providers", "cluster", "nodeGroups", "workloads", "guard", "outputs", "resources")
	if !ok {
		return
	}
	l.name(o.need("name", nameRemedy))
	l.state(o.get("state"))
	l.stackRefs(o.get("stackRefs"))
	l.programmed(&o)
	l.defaultTags(o.get("tags"))
	l.providers(o.get("providers"))
	l.cluster(o.get("cluster"))
	l.nodeGroups(o.get("nodeGroups"))
	l.workloads(o.get("workloads"))
	l.guards(o.get("guard"))
	l.outputs(o.get("outputs"))
	l.resources(o.get("resources"))
	for _, section := range []string{"nodeGroups", "workloads"} {
		if f := o.get(section); f.given() && !o.get("cluster").given() {
			f.fail(`add cluster: {version: "1.36"}`, "needs a cluster, and the file has none")
		}
	}
}

// name is the project's, and with a suffix the cluster's and its role's.
func (l *loader) name(f field) {
	name, ok := f.word("name: my-project")
	if !ok {
		return
	}
	l.spec.Name = name
	f.checkLabel(name, maxProject, "a project, its cluster and their role")
}

// stateSchemes are the kinds of places that all who work on a stack can share.
var stateSchemes = []string{"file", "s3", "gs", "azblob"}

// state is the same for all stacks, and wanted before the config of any is read.
func (l *loader) state(f field) {
	const example = "state: s3://bucket/path?region=us-west-2"
	if !f.given() {
		return
	}
	if strings.Contains(f.node.Value, "${") {
		f.fail("write it out, as in "+example, "references cannot stand here: the state is looked for before anything else is read")
		return
	}
	text, ok := f.word(example)
	if !ok {
		return
	}
	u, err := url.Parse(text)
	if err != nil || !slices.Contains(stateSchemes, u.Scheme) || u.Scheme == "file" && (u.Host != "" || !path.IsAbs(u.Path)) {
		f.fail("write a URL, as in "+example+" (docs/state.md lists all)", "%q does not say where the state is", text)
		return
	}
	l.spec.State = State{URL: text, At: f.at}
}

func (l *loader) outputs(f field) {
	for _, e := range f.entries("name: ${cluster.endpoint}") {
		if !logicalName.MatchString(e.name) {
			e.fail("start with a letter and use letters, digits, - and _", "%q is not a name for an output", e.name)
		}
		l.spec.Outputs = append(l.spec.Outputs, Output{Name: e.name, Value: e.text(e.name + `: "..."`), At: e.at})
	}
}

// checkObjects reports objects that are declared twice, wherever they stand.
func (l *loader) checkObjects() {
	first := make(map[string]problem.Place)
	for _, o := range l.spec.Objects() {
		id := o.Key().String()
		at, twice := first[id]
		if !twice {
			first[id] = o.At
			continue
		}
		l.fail(o.At, id, "remove one of the two, or rename it", "is declared twice, first at %s", at)
	}
}

// ProtectAnnotation on an object is what protect: true is to a resource.
const ProtectAnnotation = "drover.dev/protect"

// checkProtected reports objects whose protection is not what it seems to be.
func (l *loader) checkProtected() {
	for _, o := range l.spec.Objects() {
		meta, _ := o.Body["metadata"].(map[string]any)
		annotations, _ := meta["annotations"].(map[string]any)
		v, given := annotations[ProtectAnnotation]
		if given && v != "true" && v != "false" {
			l.fail(o.At, o.Key().String(), ProtectAnnotation+`: "true"`, "annotation %s: %v is neither \"true\" nor \"false\"", ProtectAnnotation, v)
		}
	}
}

// checkNamespaces reports objects in namespaces that a new cluster will not
// have. A manifest that could not be read might declare them.
func (l *loader) checkNamespaces() {
	known := map[string]bool{"default": true, "kube-node-lease": true, "kube-public": true, "kube-system": true}
	for _, w := range l.spec.Workloads {
		if w.incomplete {
			return
		}
	}
	for _, o := range l.spec.Objects() {
		if o.Type == "v1/Namespace" {
			known[o.Name] = true
		}
	}
	for _, o := range l.spec.Objects() {
		if o.Namespace != "" && !known[o.Namespace] {
			l.fail(o.At, o.Key().String(), "declare it: {apiVersion: v1, kind: Namespace, metadata: {name: "+o.Namespace+"}}",
				"nothing declares the namespace %q%s", o.Namespace, didYouMean(o.Namespace, slices.Sorted(maps.Keys(known))))
		}
	}
}

// Objects are all Kubernetes objects of the stack.
func (s *Spec) Objects() []Object {
	var all []Object
	for _, w := range s.Workloads {
		all = append(all, w.Objects...)
	}
	for _, r := range s.Resources {
		if r.Object != nil {
			all = append(all, *r.Object)
		}
	}
	return all
}

// checkReferences translates every string once, so that what leads nowhere is
// found with its place. The zones are not known yet.
func (l *loader) checkReferences() {
	scope := l.spec.Scope("", nil)
	for _, t := range l.texts {
		l.problems = append(l.problems, scope.check(t)...)
	}
}

// sectionNames are the names by which dependsOn refers to what stands in the file.
func (s *Spec) sectionNames() map[string]bool {
	names := make(map[string]bool)
	if s.Cluster != nil {
		names["cluster"] = true
		names["network"] = true
	}
	for _, g := range s.NodeGroups {
		names["nodeGroups."+g.Name] = true
	}
	for _, w := range s.Workloads {
		names["workloads."+w.Name] = true
	}
	for _, r := range s.Resources {
		names["resources."+r.Name] = true
	}
	return names
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

func (s *Spec) hasGroup(name string) bool { return slices.Contains(s.groupNames(), name) }

func (s *Spec) groupNames() []string {
	names := make([]string, len(s.NodeGroups))
	for i, g := range s.NodeGroups {
		names[i] = g.Name
	}
	return names
}
