package spec

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/droverhq/drover/internal/render"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// Charter renders a chart of Helm.
type Charter func(render.Chart) ([]byte, error)

const kustomizeExample = "kustomize: ./overlays/prod"

// kustomize reads what one folder comes to, or each of a list.
func (l *loader) kustomize(f field) []Object {
	if !f.given() {
		return nil
	}
	paths := []field{f}
	if f.node.Kind == yaml.SequenceNode {
		paths = f.items(kustomizeExample)
	}
	var objects []Object
	for _, p := range paths {
		name, ok := p.word(kustomizeExample)
		if !ok || name == "" {
			continue
		}
		folder, _, found := l.within(p, "it", name)
		switch {
		case !found:
			continue
		case !render.IsKustomization(l.fsys, folder):
			p.fail("put a kustomization.yaml there, or write manifests in place of kustomize", "the folder %q has no kustomization.yaml", name)
			continue
		}
		data, err := render.Kustomize(l.fsys, folder)
		if err != nil {
			p.fail("correct it: kubectl kustomize "+name+" shows the same; what it builds on lies in the project folder", "%v", err)
			continue
		}
		objects = append(objects, l.rendered(folder+" (rendered)", data)...)
	}
	return objects
}

// within is a path in the project folder that is there, and what is there.
func (l *loader) within(f field, what, name string) (string, fs.FileInfo, bool) {
	clean := path.Clean(name)
	if !fs.ValidPath(clean) {
		f.fail("move "+what+" into the project folder and write a relative path", "%q leads out of the project folder", name)
		return "", nil, false
	}
	info, err := fs.Stat(l.fsys, clean)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.fail("make it, or correct the path; it is relative to drover.yaml", "%q does not exist%s", name, didYouMean(clean, l.siblings(clean)))
		return "", nil, false
	case err != nil:
		f.fail("make it readable", "%v", err)
		return "", nil, false
	}
	return clean, info, true
}

// rendered reads objects of text that no file holds.
func (l *loader) rendered(called string, data []byte) []Object {
	var objects []Object
	for _, doc := range l.documents(called, data) {
		if doc.given() {
			objects = append(objects, doc.objects()...)
		}
	}
	return objects
}

const (
	chartExample  = `chart: {source: ./charts/nginx, namespace: web, values: {replicaCount: 3}}`
	hookKey       = "helm.sh/hook"
	usualRelease  = "1.36" // of Kubernetes, if the file does not say
	onlyInPlain   = "values: {replicaCount: 3}"
	usualHelmName = "default" // namespace
)

// chart reads what a chart of Helm comes to.
func (l *loader) chart(f field, workload string) []Object {
	if !f.given() {
		return nil
	}
	c := render.Chart{Release: workload, Namespace: usualHelmName, Kubernetes: usualRelease}
	if l.spec.Cluster != nil && l.spec.Cluster.Version != "" {
		c.Kubernetes = l.spec.Cluster.Version
	}
	hooks, ok := l.chartKeys(f, &c)
	switch {
	case !ok:
		return nil
	case l.charts == nil:
		f.fail("run it by a command", "charts are rendered by commands only")
		return nil
	}
	data, err := l.charts(c)
	var known *problem.Error
	if errors.As(err, &known) {
		f.fail(known.Fix, "chart %s: %v", c.Source, known.Err)
		return nil
	}
	if err != nil {
		f.fail("see helm template "+c.Source, "chart %s: %v", c.Source, err)
		return nil
	}
	objects := hooked{f, hooks}.sort(l.rendered("chart "+c.Source+" (rendered)", data))
	for i := range objects {
		objects[i].home = c.Namespace
	}
	return objects
}

// chartKeys reads a path alone, or a mapping.
func (l *loader) chartKeys(f field, c *render.Chart) (hooks string, ok bool) {
	before := len(l.problems)
	source := f
	if describe(f.node) == "a mapping" {
		o, isObject := f.object(chartExample, "source", "version", "release", "namespace", "valueFiles", "values", "hooks")
		if !isObject {
			return "", false
		}
		source = o.need("source", "add source: ./charts/nginx")
		hooks = l.chartObject(o, c)
	}
	c.Source, _ = source.word(chartExample)
	switch {
	case c.Source == "":
	case c.InRegistry():
		if c.Version == "" {
			source.fail("add version: 1.2.3", "a chart of a registry without its version would change by itself")
		}
	default:
		c.Source, _, _ = l.within(source, "it", c.Source)
	}
	return hooks, len(l.problems) == before && c.Source != ""
}

// chartObject reads all but where the chart is.
func (l *loader) chartObject(o object, c *render.Chart) (hooks string) {
	for key, to := range map[string]*string{"version": &c.Version, "release": &c.Release, "namespace": &c.Namespace} {
		if f := o.get(key); f.given() {
			*to, _ = f.word(key + ": " + *to)
		}
	}
	for _, item := range o.get("valueFiles").items("valueFiles: [./values.yaml]") {
		if name, ok := item.word("./values.yaml"); ok && name != "" {
			if file, _, there := l.within(item, "it", name); there {
				c.ValueFiles = append(c.ValueFiles, file)
			}
		}
	}
	if values := o.get("values"); values.given() {
		tree := values.tree(func(ref string) bool { return strings.HasPrefix(ref, "config.") })
		if value.HasSecret(tree) {
			values.refuseSecret(onlyInPlain)
			return ""
		}
		var isMapping bool
		if c.Values, isMapping = tree.(map[string]any); !isMapping {
			values.wrongType("a mapping", "write it as "+onlyInPlain)
		}
	}
	if f := o.get("hooks"); f.given() {
		hooks = f.choice("hooks", "make", "leave")
	}
	return hooks
}

// hooked decides what becomes of the objects of a chart that are hooks: Helm makes
// these at certain times and waits for them, and Drover does not.
type hooked struct {
	chart field
	how   string // make: as other objects; leave: not at all; empty: nobody has said
}

// never are hooks for what Helm alone does: tests, rollbacks, and the delete of a release.
var never = []string{"test", "test-success", "test-failure", "pre-delete", "post-delete", "pre-rollback", "post-rollback"}

func (h hooked) sort(objects []Object) []Object {
	var kept []Object
	var open []string
	for _, o := range objects {
		when := hookOf(o)
		switch {
		case when == "" || h.how == "make" && !allOf(when, never):
			kept = append(kept, o)
		case h.how == "" && !allOf(when, never):
			open = append(open, kindOf(o.Type)+" "+o.Name+" ("+when+")")
		}
	}
	if len(open) > 0 {
		h.chart.fail("write hooks: make (they are objects like the others, made once, and not before or after these) or hooks: leave (they are not made)",
			"the chart has hooks, which Drover does not run as Helm does: %s", strings.Join(open, ", "))
	}
	return kept
}

// hookOf is when Helm would make the object; empty: with the others.
func hookOf(o Object) string {
	metadata, _ := o.Body["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	when, _ := annotations[hookKey].(string)
	return when
}

func allOf(list string, of []string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if !slices.Contains(of, strings.TrimSpace(one)) {
			return false
		}
	}
	return true
}
