package drover

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/internal/wire"
)

// Stack is what a program registers things with. Its methods may be called in
// any order, from one goroutine at a time.
type Stack struct {
	*registry
	prefix string // of names: "shop-"
}

// registry is what has been registered so far.
type registry struct {
	question wire.Question
	entries  []wire.Entry
	failures []wire.Failure
}

// Name is the stack's: dev.
func (s *Stack) Name() string { return s.question.Stack }

// Project is the project's name.
func (s *Stack) Project() string { return s.question.Project }

// Component calls f with a stack whose names start with the component's own and
// a dash, so that what f registers may be there more than once. Components may
// lie in each other. An error of f comes back with the component's name.
func (s *Stack) Component(name string, f func(*Stack) error) error {
	if err := f(&Stack{registry: s.registry, prefix: s.prefix + name + "-"}); err != nil {
		return fmt.Errorf("%s%s: %w", s.prefix, name, err)
	}
	return nil
}

// Output makes a value one of the stack's outputs, which drover stack output
// prints. Text may hold references; an [Output] of any type may be given.
func (s *Stack) Output(name string, value any) { s.register("outputs", s.prefix+name, value) }

// Config is a value of the stack's config; it is a mistake if there is none.
func (s *Stack) Config(key string) string {
	v, ok := s.Lookup(key)
	if !ok {
		s.missing(key)
	}
	return v
}

// Lookup is a value of the stack's config that may be missing. A secret is: see [Stack.Secret].
func (s *Stack) Lookup(key string) (value string, ok bool) {
	value, ok = s.question.Config[key]
	return value, ok
}

// Secret is a value of the stack's config, secret or not, which the program does
// not see. Whatever holds it is hidden and sealed.
func (s *Stack) Secret(key string) Output[string] {
	if _, plain := s.Lookup(key); !plain && !slices.Contains(s.question.Secrets, key) {
		s.missing(key)
	}
	return Ref[string]("config." + key)
}

func (s *Stack) missing(key string) {
	if slices.Contains(s.question.Secrets, key) {
		s.fail("config."+key, "read it with Secret: it is handed on, and not seen", "is a secret")
		return
	}
	s.fail("config."+key, "drover config set "+key+" VALUE", "stack %q has no such config", s.Name())
}

// Get is [Stack.Config] for a value that is a number, true or false, or a duration.
func Get[T int | float64 | bool | time.Duration](s *Stack, key string) T {
	text, ok := s.Lookup(key)
	if !ok {
		s.missing(key)
		return *new(T)
	}
	var v any
	var err error
	switch any(*new(T)).(type) {
	case int:
		v, err = strconv.Atoi(text)
	case float64:
		v, err = strconv.ParseFloat(text, 64)
	case bool:
		v, err = strconv.ParseBool(text)
	case time.Duration:
		v, err = time.ParseDuration(text)
	}
	if err != nil {
		s.fail("config."+key, "drover config set "+key+" VALUE", "%q is not a %T", text, *new(T))
	}
	return v.(T)
}

// fail tells a mistake of the program's call.
func (r *registry) fail(op, fix, format string, args ...any) {
	r.failures = append(r.failures, wire.Failure{Op: op, Text: fmt.Sprintf(format, args...), Fix: fix, At: caller()})
}

// register adds an entry to a section.
func (r *registry) register(section, name string, value any) {
	at := caller()
	if first, twice := r.find(section, name); twice && section != wire.ListSection {
		r.fail(strings.TrimSuffix(section+"."+name, "."), "remove one of the two, or give it another name; Stack.Component gives names of its own",
			"is registered twice, first at %s:%d", first.File, first.Line)
		return
	}
	text, err := json.Marshal(value)
	if err != nil {
		r.fail(strings.TrimSuffix(section+"."+name, "."), "give values that JSON can hold", "%v", err)
		return
	}
	r.entries = append(r.entries, wire.Entry{Section: section, Name: name, Value: text, At: at})
}

func (r *registry) find(section, name string) (wire.Place, bool) {
	i := slices.IndexFunc(r.entries, func(e wire.Entry) bool { return e.Section == section && e.Name == name })
	if i < 0 {
		return wire.Place{}, false
	}
	return r.entries[i].At, true
}

// own is how the functions of this package are called.
const own = "github.com/droverhq/drover."

// caller is the innermost line outside of this package and of the language.
func caller() wire.Place {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, own) && !strings.HasPrefix(frame.Function, "runtime.") {
			return wire.Place{File: frame.File, Line: frame.Line}
		}
		if !more {
			return wire.Place{}
		}
	}
}

// Properties are those of an AWS object, by CloudFormation's names, or further
// keys of a section of drover.yaml.
type Properties = map[string]any

// given are the keys whose values are set, as drover.yaml has them.
func given(keys Properties, more ...Properties) Properties {
	for _, m := range more {
		maps.Copy(keys, m)
	}
	for key, value := range keys {
		v := reflect.ValueOf(value)
		switch d, is := value.(time.Duration); {
		case !v.IsValid() || v.IsZero() || (v.Kind() == reflect.Map || v.Kind() == reflect.Slice) && v.Len() == 0:
			delete(keys, key)
		case is:
			keys[key] = d.String()
		}
	}
	return keys
}

// each are the keys of all entries of a section.
func each[T any](entries map[string]T, keys func(T) Properties) map[string]Properties {
	all := make(map[string]Properties, len(entries))
	for name, e := range entries {
		all[name] = keys(e)
	}
	return all
}

// called are names of things.
func called[T interface{ word() string }](things []T) []string {
	var words []string
	for _, t := range things {
		words = append(words, t.word())
	}
	return words
}

// Options say of a thing how it is to be treated, not what it is. Not every
// option makes sense everywhere; docs/stack-file.md tells where.
type Options struct {
	DependsOn           []Dependency // what must stand before, and goes after; references need no entry
	Protect             bool         // deleted or replaced only with --allow-delete and its name
	Aliases             []string     // what it was called before
	IgnoreChanges       []string     // paths of properties that stay as they were last applied: spec.replicas
	ReplaceOnChanges    []string     // paths of properties whose change makes it anew
	DeleteBeforeReplace bool         // the old one goes before the new one comes
	RetainOnDelete      bool         // it is left where it is once it goes from the program
	Timeouts            Timeouts
	Provider            *Provider // where it is, of a resource; nil: where the stack is
}

// ProviderArgs say which region and account, and by whom it is reached.
type ProviderArgs struct {
	Region     string // empty: the profile's, or the stack's
	Profile    string // of the AWS configuration; empty: whoever runs Drover
	Role       string // ARN of one that is assumed; empty: none
	ExternalID string // that the role asks for
}

func (a ProviderArgs) keys() Properties {
	return given(Properties{"region": a.Region, "profile": a.Profile, "role": a.Role, "externalId": a.ExternalID})
}

// Provider is another region or account than the stack's, in which resources can
// be: see [Options].
type Provider struct{ name string }

// Provider registers one.
func (s *Stack) Provider(name string, args ProviderArgs) *Provider {
	s.register("providers", s.prefix+name, args.keys())
	return &Provider{s.prefix + name}
}

// MarshalText writes the provider's name in the program.
func (p *Provider) MarshalText() ([]byte, error) { return []byte(p.name), nil }

// Timeouts are how long one step may take; 0: as long as it goes on.
type Timeouts struct{ Create, Update, Delete time.Duration }

// Dependency is what something else can depend on: a cluster, a node group, a
// workload or a resource.
type Dependency interface{ word() string }

func (o Options) keys() Properties {
	return Properties{
		"dependsOn": called(o.DependsOn), "protect": o.Protect, "aliases": o.Aliases, "ignoreChanges": o.IgnoreChanges,
		"replaceOnChanges": o.ReplaceOnChanges, "deleteBeforeReplace": o.DeleteBeforeReplace, "retainOnDelete": o.RetainOnDelete, "provider": o.Provider,
		"timeouts": given(Properties{"create": o.Timeouts.Create, "update": o.Timeouts.Update, "delete": o.Timeouts.Delete}),
	}
}
