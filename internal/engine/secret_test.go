package engine_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/expand"
	"github.com/droverhq/drover/internal/graph"
	"github.com/droverhq/drover/internal/seal"
	"github.com/droverhq/drover/internal/spec"
	"github.com/droverhq/drover/internal/state"
	"github.com/droverhq/drover/internal/verdict"
	"github.com/droverhq/drover/internal/view/html"
	"github.com/droverhq/drover/internal/view/jsonl"
	lineview "github.com/droverhq/drover/internal/view/text"
	"github.com/droverhq/drover/internal/view/tui"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// planted are the secrets of the test, by the way in which they come. Each
// shows what it is where it leaks.
var planted = map[string]string{
	"config":     "planted-config-aaaa",
	"literal":    "planted-literal-bbbb",
	"stringData": "planted-stringdata-cccc",
	"data":       "planted-data-dddd",
	"ssm":        "planted-ssm-eeee",
	"writeOnly":  "planted-writeonly-ffff",
	"numbers":    "73519052",
	"made up":    "planted-madeup-gggg", // by the provider
	"filled":     "planted-filled-hhhh", // by somebody else, in a Secret
	"lines":      "planted-first-line-iiii\nplanted-second-line-jjjj",
}

const secretProject = `
name: shop
cluster: {version: "1.36"}
workloads:
  app: {manifests: app.yaml}
resources:
  db:
    type: AWS::RDS::DBInstance
    properties:
      MasterPassword: planted-writeonly-ffff
      Url: postgres://admin:${config.password}@host
      Env: [{Name: a, Value: !secret planted-literal-bbbb}]
      Parameter: ${ssm:/shop/token}
      Pin: !secret 73519052
      Group: !secret {cert: "planted-first-line-iiii\nplanted-second-line-jjjj"}
  user:
    type: AWS::Cognito::UserPoolClient
    properties: {Of: "${resources.db.Url}", Text: "key=${resources.db.MadeUp} ${workloads.app.secrets.filled.data.token}"}
outputs:
  plain: hello
  url: ${resources.db.Url}
  made: "it is ${resources.db.MadeUp}"
  token: ${workloads.app.secrets.filled.data.token}
  mixed: "a ${ssm:/shop/token} b"
  own: !secret planted-literal-bbbb
`

var secretManifest = fmt.Sprintf(`
apiVersion: v1
kind: Secret
metadata: {name: creds}
stringData: {a: planted-stringdata-cccc, b: "x ${config.password} y"}
data: {c: %s}
---
apiVersion: v1
kind: Secret
metadata: {name: filled}
`, base64.StdEncoding.EncodeToString([]byte("planted-data-dddd")))

// tattler is a provider that repeats all it is told: in outputs, in what it
// waits for, and in errors.
type tattler struct {
	mu   sync.Mutex
	sent map[string]string // by type/name: what was sent, in the open
	live map[string]engine.Object
	fail bool
}

func (p *tattler) put(r engine.Request) (engine.Object, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	want, err := value.RevealMap(r.Want)
	if err != nil {
		return engine.Object{}, err
	}
	data, _ := json.Marshal(want)
	p.sent[r.Type+"/"+r.Name] = string(data)
	r.Wait("sending " + string(data))
	if p.fail {
		old, _ := value.RevealMap(r.Old)
		return engine.Object{}, &problem.Error{Kind: problem.Outside, Op: "put " + string(data), Fix: "not " + string(data),
			Err: fmt.Errorf("invalid %q and %s after %v", want, data, old), Notes: []string{string(data)}}
	}
	want["Echo"] = string(data)
	if strings.HasSuffix(r.Type, "DBInstance") {
		want["MadeUp"] = planted["made up"]
	}
	if strings.HasSuffix(r.Name, "filled") {
		want["data"] = map[string]any{"token": base64.StdEncoding.EncodeToString([]byte(planted["filled"]))}
	}
	o := engine.Object{ID: r.Type + "-" + r.Name, Outputs: want}
	p.live[o.ID] = o
	return o, nil
}

func (p *tattler) Create(_ context.Context, r engine.Request) (engine.Created, error) {
	o, err := p.put(r)
	if err != nil {
		return engine.Created{Certainty: engine.Unknown}, err
	}
	return engine.Created{Object: o, Certainty: engine.Made}, nil
}

func (p *tattler) Update(_ context.Context, r engine.Request) (engine.Object, error) { return p.put(r) }

func (p *tattler) Read(_ context.Context, r engine.Request) (engine.Object, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o, ok := p.live[r.ID]; ok {
		return o, nil
	}
	return engine.Object{}, engine.ErrNotFound
}

func (p *tattler) Delete(context.Context, engine.Request) error     { return nil }
func (p *tattler) Replaces(string, plan.Props, plan.Props) []string { return nil }
func (p *tattler) Secrets(typ string) []string {
	return map[string][]string{"AWS::RDS::DBInstance": {"MasterPassword", "MadeUp"}, "v1/Secret": {"data", "stringData"}}[typ]
}

// secretWorld is a stack on disk, and all that was ever written about it.
type secretWorld struct {
	t          *testing.T
	dir        string
	provider   *tattler
	passphrase string
	shown      bytes.Buffer
}

func (w *secretWorld) store() *state.Store {
	store, err := state.Open(context.Background(), "file://"+w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	store.Ring = &seal.Ring{WorkFactor: 2, Given: func() (string, error) { return w.passphrase, nil }}
	return store
}

// graph reads the project as it stands in files.
func (w *secretWorld) graph(password string) *graph.Graph {
	w.t.Helper()
	files := fstest.MapFS{spec.File: {Data: []byte(secretProject)}, "app.yaml": {Data: []byte(secretManifest)},
		"drover.dev.yaml": {Data: []byte("config:\n  aws:region: us-west-2\n  password: !secret x\n")}}
	s, problems := spec.Load(files, "dev")
	if problems != nil {
		w.t.Fatal(problems)
	}
	if err := value.Open(map[string]any(s.Config), fixed(password)); err != nil {
		w.t.Fatal(err)
	}
	value.Detach(map[string]any(s.Config))
	g, problems := expand.Graph(s, expand.Env{Region: "us-west-2", Zones: []string{"us-west-2a", "us-west-2b"}})
	if problems != nil {
		w.t.Fatal(problems)
	}
	kept := g.Resources[:0]
	for _, r := range g.Resources { // no more than what the test is about
		if r.Type == "v1/Secret" || strings.HasPrefix(r.Component, "workload") || r.Component == "" {
			r.Conn, r.After = nil, nil
			kept = append(kept, r)
		}
	}
	g.Resources = kept
	return g
}

// fixed opens every config value as the same text.
type fixed string

func (f fixed) Seal([]byte) (string, error) { return "", errors.ErrUnsupported }
func (f fixed) Open(string) ([]byte, error) { return json.Marshal(string(f)) }

// up is one whole command, with every reader that there is.
func (w *secretWorld) up(g *graph.Graph) (plan.Plan, error) {
	w.t.Helper()
	ctx := context.Background()
	store := w.store()
	s, err := store.Lock(ctx, "dev", "up")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = s.Unlock(ctx) }()
	if err := s.Snapshot().Unseal(ctx, store.Ring); err != nil {
		return plan.Plan{}, err
	}
	var logged, lined, painted bytes.Buffer
	var events []event.Event
	lines, screen, live := jsonl.New(&logged), lineview.New(&lined, lineview.Style{}), tui.New(&painted)
	log := event.NewLog(time.Now, lines.Read, screen.Read, live.Read, func(e event.Event) { events = append(events, e) })
	e := &engine.Engine{Events: log, Providers: func(string) (engine.Provider, error) { return w.provider, nil },
		Lookup: func(context.Context, string) (any, error) { return value.Hide(planted["ssm"]), nil }}
	p, err := e.Plan(ctx, g, s.Snapshot())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, show := range []func() error{
		func() error { return plan.Text(&w.shown, p) }, func() error { return plan.Detail(&w.shown, p) },
		func() error { return json.NewEncoder(&w.shown).Encode(p) },
	} {
		if err := show(); err != nil {
			w.t.Fatal(err)
		}
	}
	log.Emit(event.Planned{Plan: p})
	err = e.Apply(ctx, p, g, s)
	if closed := errors.Join(lines.Close(), screen.Close(), live.Close()); closed != nil {
		w.t.Fatal(closed)
	}
	w.shown.WriteString(logged.String() + lined.String() + painted.String())
	report, reportErr := verdict.Build(verdict.Input{Title: "a run", Events: events})
	if reportErr != nil {
		w.t.Fatal(reportErr)
	}
	if err := html.Write(&w.shown, report); err != nil {
		w.t.Fatal(err)
	}
	problem.Print(&w.shown, err)
	fmt.Fprintf(&w.shown, "%v %+v %#v %v", err, err, err, s.Snapshot().Outputs)
	runs, historyErr := store.History(ctx, "dev")
	if historyErr != nil {
		w.t.Fatal(historyErr)
	}
	_ = json.NewEncoder(&w.shown).Encode(runs)
	return p, err
}

// leaks greps all that was shown, and all files of the state.
func (w *secretWorld) leaks(more ...string) {
	w.t.Helper()
	texts := map[string]string{"what was shown": w.shown.String()}
	err := fs.WalkDir(os.DirFS(w.dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var data []byte
			data, err = os.ReadFile(w.dir + "/" + path)
			texts[path] = string(data)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	secrets := append([]string{"planted-", "73519052"}, more...)
	for where, text := range texts {
		for _, s := range secrets {
			for _, form := range []string{s, base64.StdEncoding.EncodeToString([]byte(s))[:len(s)]} {
				if i := strings.Index(text, form); i >= 0 {
					w.t.Errorf("%s holds %s: …%.200s", where, form, text[max(0, i-100):])
				}
			}
		}
	}
}

// Secrets that come in by every way reach the provider as they are, and stand
// nowhere in plans, events, screens, errors, history or any file of the state:
// when they are made, changed, refused by a provider that quotes them, and
// repeated after that.
func TestSecretsShowNowhere(t *testing.T) {
	w := &secretWorld{t: t, dir: t.TempDir(), provider: &tattler{sent: map[string]string{}, live: map[string]engine.Object{}}, passphrase: "correct horse"}
	if err := w.store().Init(context.Background(), "dev", "shop"); err != nil {
		t.Fatal(err)
	}
	w.provider.fail = true
	if _, err := w.up(w.graph(planted["config"])); err == nil {
		t.Fatal("the provider was to fail")
	}
	w.leaks()
	w.provider.fail = false
	if _, err := w.up(w.graph(planted["config"])); err != nil {
		t.Fatal(err)
	}
	w.leaks()
	sent := fmt.Sprint(w.provider.sent)
	for way, secret := range planted {
		quoted, _ := json.Marshal(secret)
		encoded := base64.StdEncoding.EncodeToString([]byte(secret))
		if !strings.Contains(sent, strings.Trim(string(quoted), `"`)) && !strings.Contains(sent, encoded) {
			t.Errorf("the secret that came by %s was not sent: %s", way, sent)
		}
	}
	if strings.Contains(sent, value.Hidden) {
		t.Errorf("a placeholder was sent: %s", sent)
	}

	if p, err := w.up(w.graph(planted["config"])); err != nil || len(p.Steps) > 0 {
		t.Errorf("nothing has changed, and the plan is %v, %v", plan.Lines(p), err)
	}
	w.provider.fail = true
	if _, err := w.up(w.graph("planted-new-kkkk")); err == nil {
		t.Fatal("the provider was to fail")
	}
	w.provider.fail = false
	p, err := w.up(w.graph("planted-new-kkkk"))
	if err != nil || len(p.Steps) == 0 {
		t.Fatal(p.Steps, err)
	}
	if !strings.Contains(w.shown.String(), "[secret] -> [secret]") {
		t.Error("the plan does not say which secret changes")
	}
	w.leaks("planted-new-kkkk")

	w.passphrase = "wrong"
	if _, err := w.up(w.graph("planted-new-kkkk")); problem.Exit(err) != int(problem.Usage) {
		t.Errorf("wrong passphrase: %v", err)
	}
}

// A stack whose files hold no secret never asks for a passphrase, not even with
// a Secret's neighbours in it; and whoever has none can still destroy a stack.
func TestPassphraseIsWantedForSecretsAlone(t *testing.T) {
	w := &secretWorld{t: t, dir: t.TempDir(), provider: &tattler{sent: map[string]string{}, live: map[string]engine.Object{}}}
	if err := w.store().Init(context.Background(), "dev", "shop"); err != nil {
		t.Fatal(err)
	}
	g := w.graph("x")
	secrets := g.Resources
	g.Resources, g.Outputs = []graph.Resource{{Key: graph.Key{Type: "v1/ConfigMap", Name: "a/b"}, Props: plan.Props{"data": map[string]any{"a": "b"}}}}, nil
	if _, err := w.up(g); err != nil {
		t.Fatal(err)
	}
	g.Resources = secrets
	if _, err := w.up(g); problem.Exit(err) != int(problem.Usage) {
		t.Fatalf("secrets were stored without a passphrase: %v", err)
	}
	w.passphrase = "correct horse"
	if _, err := w.up(w.graph("x")); err != nil {
		t.Fatal(err)
	}
	w.passphrase = ""
	ctx := context.Background()
	s, err := w.store().Lock(ctx, "dev", "destroy")
	if err != nil {
		t.Fatal(err)
	}
	e := &engine.Engine{Events: event.Discard, Providers: func(string) (engine.Provider, error) { return w.provider, nil },
		AllowDelete: []string{"db"}}
	p, err := e.PlanDestroy(ctx, s.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Apply(ctx, p, &graph.Graph{Stack: "dev", Project: "shop"}, s); err != nil {
		t.Errorf("destroy wants a passphrase: %v", err)
	}
	w.leaks()
}
