package spec

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/droverhq/drover/problem"
)

// Options is what may be said of anything in the file beside what it is.
type Options struct {
	DependsOn           []string // cluster, network, nodeGroups.NAME, workloads.NAME, resources.NAME
	Protect             bool     // it is deleted only if the user names it
	Aliases             []string // names that it had before
	IgnoreChanges       []string // paths of properties that stay as they were last applied
	ReplaceOnChanges    []string // paths of properties whose change makes it anew
	DeleteBeforeReplace bool     // it goes before its replacement comes
	RetainOnDelete      bool     // it is left where it is when it goes from the file
	Timeouts            Timeouts
	Provider            string        // the name of one; empty: where the stack is
	At                  problem.Place // of dependsOn
}

// Timeouts are how long one step may take; 0: as long as it goes on.
type Timeouts struct{ Create, Update, Delete time.Duration }

// allOptions are those that a resource takes. A section takes them, too, but for
// those that it refuses: a reason is better than an unknown key.
var allOptions = []string{"dependsOn", "protect", "timeouts", "aliases", "ignoreChanges", "replaceOnChanges", "deleteBeforeReplace", "retainOnDelete", "provider"}

// refusal is why a section does not take an option, and what there is instead.
type refusal struct{ why, fix string }

var (
	oneCluster = refusal{"a stack has one cluster with one network, which have no names in the file", "remove it"}
	neverAnew  = refusal{"a cluster, with its network, is never made anew: all that runs there would go", "make another stack, and move the workloads there"}
	wholeStack = refusal{"roles, networks and nodes of the stack would go, and it cannot run without", "protect: true keeps it; drover stack rm --force forgets a whole stack"}
	whereStack = refusal{"it is where the stack is", "remove it; in another region or account it is a stack of its own, whose outputs stackRefs take"}

	refusedOfCluster = map[string]refusal{
		"aliases": oneCluster, "replaceOnChanges": neverAnew, "deleteBeforeReplace": neverAnew, "retainOnDelete": wholeStack,
		"provider": whereStack,
	}
	refusedOfNetwork = map[string]refusal{
		"aliases": oneCluster, "replaceOnChanges": neverAnew, "deleteBeforeReplace": neverAnew, "retainOnDelete": wholeStack,
		"provider":      whereStack,
		"ignoreChanges": {"a network is objects of many types, which share no property", "remove it"},
	}
	refusedOfGroup = map[string]refusal{
		"provider":            {"its nodes are in the cluster's network, which is where the stack is", "remove it"},
		"ignoreChanges":       {"a group has as many nodes as run, whatever the file says, so that an autoscaler's number stays; all else of a node makes the group anew", "remove it"},
		"replaceOnChanges":    {"what nodes cannot have while they run makes the group anew in any case", "drover up --replace makes it anew without a change"},
		"deleteBeforeReplace": {"its pods would have nowhere to go: nodes are handed over to their replacement before they go", "remove it"},
		"retainOnDelete":      {"its nodes would go on in a cluster that knows nothing of them", "protect: true keeps it; drover state rm forgets it"},
	}
	refusedOfWorkload = map[string]refusal{
		"provider":            {"it is in the cluster", "remove it"},
		"aliases":             {"its name is no part of its objects", "give it the new name: nothing else changes"},
		"deleteBeforeReplace": {"two objects of Kubernetes never have one name: what cannot change in place goes first in any case", "remove it"},
	}
)

// refuse tells of the options that a section does not take.
func (o object) refuse(refused map[string]refusal) {
	for _, key := range allOptions {
		if f, r := o.get(key), refused[key]; f.given() && r.why != "" {
			f.fail(r.fix, "%s", r.why)
		}
	}
}

// options reads those that are given; which may be, the caller has seen to.
func (o object) options() Options {
	at := o.get("dependsOn")
	opts := Options{At: at.at}
	for _, item := range at.items("dependsOn: [cluster, resources.queue]") {
		if name, ok := item.word("resources.queue"); ok {
			opts.DependsOn = append(opts.DependsOn, name)
		}
	}
	opts.Protect = o.get("protect").truth()
	opts.DeleteBeforeReplace = o.get("deleteBeforeReplace").truth()
	opts.RetainOnDelete = o.get("retainOnDelete").truth()
	opts.IgnoreChanges = o.get("ignoreChanges").paths()
	opts.ReplaceOnChanges = o.get("replaceOnChanges").paths()
	opts.Aliases = o.get("aliases").aliases()
	opts.Timeouts = o.get("timeouts").timeouts()
	if provider := o.get("provider"); provider.given() {
		opts.Provider, _ = provider.word("provider: dns")
	}
	return opts
}

// truth is true or false, and false if it is not given.
func (f field) truth() bool {
	if !f.given() {
		return false
	}
	v, ok := f.scalar("!!bool", "true or false", "write it without quotes, as in true")
	return ok && (v == "true" || v == true)
}

// paths are those of properties: DelaySeconds, spec.replicas, Tags.0.Value.
func (f field) paths() []string {
	var paths []string
	for _, item := range f.items("[DelaySeconds, spec.replicas]") {
		path, ok := item.word("spec.replicas")
		switch {
		case !ok:
		case path == "" || strings.HasPrefix(path, ".") || strings.HasSuffix(path, ".") || strings.ContainsAny(path, "/[*"):
			item.fail("write keys and numbers with dots between them, as in spec.replicas or Tags.0.Value", "%q is not the path of a property", path)
		default:
			paths = append(paths, path)
		}
	}
	return paths
}

func (f field) aliases() []string {
	var names []string
	for _, item := range f.items("aliases: [old-name]") {
		name, ok := item.word("old-name")
		switch {
		case !ok:
		case !logicalName.MatchString(name):
			item.fail("write the name that it had in this file", "%q is not a name that it can have had", name)
		case slices.Contains(names, name):
			item.fail("remove one of the two", "%q is listed twice", name)
		default:
			names = append(names, name)
		}
	}
	return names
}

// maxStep is longer than any call of AWS takes; Cloud Control gives up after
// 36 hours.
const maxStep = 36 * time.Hour

func (f field) timeouts() Timeouts {
	var t Timeouts
	o, ok := f.object("timeouts: {create: 30m}", "create", "update", "delete")
	if !ok {
		return t
	}
	limit := func(f field) time.Duration { return f.upTo("create: 30m", maxStep) }
	read(o.get("create"), &t.Create, limit)
	read(o.get("update"), &t.Update, limit)
	read(o.get("delete"), &t.Delete, limit)
	return t
}

// named is one thing of the file that has options.
type named struct {
	section, name string
	at            problem.Place
	*Options
}

// optioned are all of them.
func (s *Spec) optioned() []named {
	var all []named
	if s.Cluster != nil {
		all = append(all, named{"cluster", "", s.Cluster.At, &s.Cluster.Options}, named{"cluster.network", "", s.Cluster.At, &s.Cluster.Network})
	}
	for i := range s.NodeGroups {
		g := &s.NodeGroups[i]
		all = append(all, named{"nodeGroups", g.Name, g.At, &g.Options})
	}
	for i := range s.Workloads {
		w := &s.Workloads[i]
		all = append(all, named{"workloads", w.Name, w.At, &w.Options})
	}
	for i := range s.Resources {
		r := &s.Resources[i]
		all = append(all, named{"resources", r.Name, r.At, &r.Options})
	}
	return all
}

func (n named) path() string { return strings.TrimSuffix(n.section+"."+n.name, ".") }

// checkOptions reports options that name nothing, or what is named otherwise.
func (l *loader) checkOptions() {
	known := l.spec.sectionNames()
	taken := make(map[string]string) // alias -> who has it
	for _, n := range l.spec.optioned() {
		for _, name := range n.DependsOn {
			if _, ok := known[name]; !ok {
				l.fail(n.at, n.path()+".dependsOn", "name one of "+choices(keysOf(known)),
					"there is no %q%s", name, didYouMean(name, keysOf(known)))
			}
		}
		if have := l.spec.providerNames(); n.Provider != "" && !slices.Contains(have, n.Provider) {
			l.fail(n.at, n.path()+".provider", "declare it: providers: {"+short(n.Provider)+": {region: us-east-1}}", "there is no provider %q%s", n.Provider, didYouMean(n.Provider, have))
		}
		for _, alias := range n.Aliases {
			l.checkAlias(n, alias, taken)
		}
	}
}

func (l *loader) checkAlias(n named, alias string, taken map[string]string) {
	old := n.section + "." + alias
	if n.section == "resources" {
		old = n.section + " of " + l.typeOf(n.name) + " " + alias
	}
	other, twice := taken[old]
	taken[old] = n.path()
	switch {
	case alias == n.name:
		l.fail(n.at, n.path()+".aliases", "remove it", "%q is its name", alias)
	case twice:
		l.fail(n.at, n.path()+".aliases", "keep it where it is true", "%q is an alias of %s, too", alias, other)
	case l.declares(n, alias):
		l.fail(n.at, n.path()+".aliases", fmt.Sprintf("remove the alias, or rename %s.%s", n.section, alias), "the file still has %q, too", alias)
	}
}

func (l *loader) typeOf(resource string) string {
	i := slices.IndexFunc(l.spec.Resources, func(r Raw) bool { return r.Name == resource })
	return l.spec.Resources[i].Type
}

// declares reports that the file has something of this name that could be
// mistaken for what n was.
func (l *loader) declares(n named, name string) bool {
	if n.section == "nodeGroups" {
		return l.spec.hasGroup(name)
	}
	return slices.ContainsFunc(l.spec.Resources, func(r Raw) bool { return r.Name == name && r.Type == l.typeOf(n.name) })
}
