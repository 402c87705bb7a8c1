package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/internal/sleep"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
	"github.com/droverhq/drover/value"
)

// manager is the field manager: the fields that the stack file sets are Drover's.
const manager = "drover"

// Annotations on the objects that Drover makes, and one for people.
const (
	ownerPrefix = "drover.dev/" // stack, project, urn: who made the object, and may delete it

	// takeOver is set to "true" by a person on a live object: Drover may have it, and every
	// field that others hold. It is removed once that has happened.
	takeOver = ownerPrefix + "take-over"
)

// Provider manages Kubernetes objects of every kind, in any number of clusters.
//
// An object is applied server-side, so it may be asked for twice. Two rules keep
// others' work whole. An object that exists already and is not this stack's is
// not adopted: destroying the stack would destroy it too. And a field that
// another manager has changed since (an autoscaler its replicas, a person an
// image) is a conflict that is told, never overwritten. A person can waive both
// with the annotation drover.dev/take-over: "true".
type Provider struct {
	token TokenSource

	mu      sync.Mutex
	clients map[string]*client // by Conn
}

var (
	_ engine.Provider      = (*Provider)(nil)
	_ engine.DeleteFirster = (*Provider)(nil)
	_ engine.Steadier      = (*Provider)(nil)
	_ engine.Secretive     = (*Provider)(nil)
	_ engine.Outputter     = (*Provider)(nil)
	_ engine.Rehearser     = (*Provider)(nil)
)

// NewProvider is the engine's provider for all types without "::".
func NewProvider(token TokenSource) *Provider {
	return &Provider{token: token, clients: map[string]*client{}}
}

// client connects once to each cluster.
func (p *Provider) client(conn plan.Props) (*client, error) {
	key, err := json.Marshal(conn)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.clients[string(key)]; ok {
		return c, nil
	}
	config, err := Connect(conn, p.token)
	if err != nil {
		return nil, err
	}
	c, err := newClient(config)
	if err != nil {
		return nil, err
	}
	p.clients[string(key)] = c
	return c, nil
}

// Create applies the object and returns when it is ready.
func (p *Provider) Create(ctx context.Context, r engine.Request) (engine.Created, error) {
	obj, call, err := p.put(ctx, r, "create")
	created := engine.Created{Object: obj, Call: call}
	switch {
	case err == nil:
		created.Certainty = engine.Made
	case obj.ID != "":
		created.Certainty = engine.Unready
	case isCertain(err), call == engine.Prepare && r.Begun.IsZero():
		created.Certainty = engine.NotMade
	}
	return created, err
}

// Rehearse tries an update as a dry run: an error is what the API server would
// say against it. What cannot be tried, or is not there, says nothing.
func (p *Provider) Rehearse(ctx context.Context, r engine.Request) error {
	var err error
	if r.Want, err = value.RevealMap(r.Want); err != nil {
		return nil
	}
	c, t, err := p.locate(ctx, r)
	if err != nil {
		return nil
	}
	live, err := c.get(ctx, t)
	if err != nil || !owned(live, r) {
		return nil
	}
	_, err = c.apply(ctx, t, wanted(r, t), application{force: live.GetAnnotations()[takeOver] == "true", dry: true, ignore: r.Ignore})
	if !refusal(err) {
		return nil
	}
	return explainApply("update "+t.String(), t, live, err)
}

// refusal: the API server has judged what was sent, and would do so again.
func refusal(err error) bool {
	undecided := err != nil && strings.Contains(err.Error(), "does not support dry run") // a webhook with side effects
	return !undecided && (apierrors.IsConflict(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || badManifest(err))
}

// Update does the same: server-side apply is told all that is wanted, and
// removes what is not wanted any more.
func (p *Provider) Update(ctx context.Context, r engine.Request) (engine.Object, error) {
	obj, _, err := p.put(ctx, r, "update")
	return obj, err
}

// put applies the object. Beside an error it tells what exists, and which call failed.
func (p *Provider) put(ctx context.Context, r engine.Request, verb string) (engine.Object, engine.Call, error) {
	var err error
	if r.Want, err = value.RevealMap(r.Want); err != nil {
		return engine.Object{}, engine.Prepare, fmt.Errorf("%s %s: %w", verb, r.Type, err)
	}
	c, t, err := p.locate(ctx, r)
	if err != nil {
		return engine.Object{}, engine.Prepare, unlessProblem(verb+" "+r.Type, err)
	}
	op := verb + " " + t.String()
	live, err := p.standing(ctx, c, t, r.Wait)
	if err != nil {
		return engine.Object{}, engine.Prepare, unlessProblem(op, err)
	}
	mayTake := live != nil && live.GetAnnotations()[takeOver] == "true"
	if live != nil && !mayTake && (!owned(live, r) || r.Knows(makeID(t, live.GetUID()))) {
		return engine.Object{}, engine.Prepare, notMade(&problem.Error{Kind: problem.Refused, Op: op,
			Err: errors.New("the object exists already, and this stack did not make it"),
			Fix: fmt.Sprintf("delete it, leave it out of the file, or give it to this stack: kubectl annotate %s %s=true",
				t.kubectl(), takeOver)})
	}
	applied, err := c.apply(ctx, t, wanted(r, t), application{force: mayTake, wait: r.Wait, ignore: r.Ignore})
	if err != nil {
		left := live
		if left != nil && !owned(left, r) {
			left = nil // it is somebody else's still
		}
		return remains(t, left), engine.Send, explainApply(op, t, live, err)
	}
	if mayTake {
		if err := c.dropAnnotation(ctx, t, takeOver); err != nil {
			return remains(t, applied), engine.Settle, fmt.Errorf("%s: %w", op, err)
		}
	}
	obj, err := c.untilReady(ctx, t, applied.GetUID(), op, r)
	if err != nil {
		return remains(t, applied), engine.Settle, err
	}
	made, err := object(t, obj)
	return made, engine.Settle, err
}

// remains is what exists beside an error: an object, or none.
func remains(t target, u *unstructured.Unstructured) engine.Object {
	if u == nil {
		return engine.Object{}
	}
	obj, err := object(t, u)
	if err != nil {
		return engine.Object{ID: makeID(t, u.GetUID())}
	}
	return obj
}

// certain marks an error after which nothing of ours exists.
type certain struct{ error }

func (e certain) Unwrap() error { return e.error }

func notMade(err error) error { return certain{err} }

func isCertain(err error) bool {
	var c certain
	return errors.As(err, &c)
}

// locate connects and finds the object's place. A kind that is not served may
// be the fault of a CRD that is only seconds old.
func (p *Provider) locate(ctx context.Context, r engine.Request) (*client, target, error) {
	if r.Want == nil && r.ID == "" {
		return nil, target{}, errors.New("it has no identifier")
	}
	c, err := p.client(r.Conn)
	if err != nil {
		return nil, target{}, err
	}
	start := time.Now()
	for {
		t, err := c.place(ctx, r)
		if !errors.Is(err, errNoKind) || r.Want == nil {
			return c, t, err
		}
		if time.Since(start) > rightsFor {
			return nil, target{}, notMade(&problem.Error{Kind: problem.Outside, Op: "apply " + r.Type, Err: err,
				Fix: "correct apiVersion and kind, or install the CustomResourceDefinition and let the object depend on it"})
		}
		if err := sleep.For(ctx, time.Second); err != nil {
			return nil, target{}, err
		}
	}
}

func (c *client) place(ctx context.Context, r engine.Request) (target, error) {
	gvk, err := kindOf(r.Type)
	if err != nil {
		return target{}, err
	}
	var resource metav1.APIResource
	err = patiently(ctx, r.Wait, func() (err error) {
		resource, err = c.resource(ctx, gvk.GroupVersion(), gvk.Kind)
		return err
	})
	if err != nil {
		return target{}, err
	}
	t := target{gvk: gvk, resource: resource.Name}
	if r.Want == nil {
		t.namespace, t.name, _ = parseID(r.ID)
		return t, nil
	}
	t.name, _ = dig(r.Want, "metadata.name").(string)
	if resource.Namespaced {
		t.namespace, _ = dig(r.Want, "metadata.namespace").(string)
		t.namespace = cmp.Or(t.namespace, metav1.NamespaceDefault)
	}
	return t, nil
}

// kindOf reads a type: v1/Service, apps/v1/Deployment.
func kindOf(typ string) (schema.GroupVersionKind, error) {
	i := strings.LastIndexByte(typ, '/')
	gv, err := schema.ParseGroupVersion(typ[:max(i, 0)])
	if i < 0 || err != nil {
		return schema.GroupVersionKind{}, fmt.Errorf("%q is no Kubernetes type (apps/v1/Deployment)", typ)
	}
	return gv.WithKind(typ[i+1:]), nil
}

// An object's ID is namespace/name@uid, or name@uid if it is cluster-scoped.
// The uid tells it from another one that takes its name later.

func makeID(t target, uid types.UID) string {
	return strings.TrimPrefix(t.namespace+"/"+t.name, "/") + "@" + string(uid)
}

func parseID(id string) (namespace, name string, uid types.UID) {
	place, rest, _ := strings.Cut(id, "@")
	namespace, name, namespaced := strings.Cut(place, "/")
	if !namespaced {
		namespace, name = "", place
	}
	return namespace, name, types.UID(rest)
}

// standing is the live object, nil if there is none. One that is on its way
// out is waited for, so that the new one does not vanish with it.
func (p *Provider) standing(ctx context.Context, c *client, t target, wait func(string)) (*unstructured.Unstructured, error) {
	var live *unstructured.Unstructured
	err := patiently(ctx, wait, func() (err error) {
		live, err = c.get(ctx, t)
		if apierrors.IsNotFound(err) {
			live, err = nil, nil
		}
		return err
	})
	if err != nil || live == nil || live.GetDeletionTimestamp() == nil {
		return live, err
	}
	return nil, c.untilGone(ctx, t, live.GetUID(), wait)
}

// owned tells whether a live object is the request's: the one that its ID
// names, or one that carries the owner's annotations. A request that names no
// owner owns what it finds.
func owned(live *unstructured.Unstructured, r engine.Request) bool {
	if _, _, uid := parseID(r.ID); uid != "" && uid == live.GetUID() {
		return true
	}
	have := live.GetAnnotations()
	for key, value := range r.Tags {
		if have[annotation(key)] != value {
			return false
		}
	}
	return true
}

// annotation makes drover.dev/urn of drover:urn, since a colon may not stand in a key.
func annotation(tag string) string { return ownerPrefix + tag[strings.LastIndexByte(tag, ':')+1:] }

// wanted is the whole object as it is sent, the owner's annotations added.
func wanted(r engine.Request, t target) plan.Props {
	out := maps.Clone(r.Want)
	out["apiVersion"], out["kind"] = t.gvk.GroupVersion().String(), t.gvk.Kind
	metadata, _ := out["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	if t.namespace != "" {
		metadata["namespace"] = t.namespace
	}
	annotations := map[string]any{}
	for key, value := range r.Tags {
		annotations[annotation(key)] = value
	}
	if theirs, ok := metadata["annotations"].(map[string]any); ok {
		maps.Copy(annotations, theirs)
	}
	if len(annotations) > 0 {
		metadata["annotations"] = annotations
	}
	out["metadata"] = metadata
	return out
}

// application is how an object is applied.
type application struct {
	force bool // over fields that others hold
	dry   bool // only tried
	wait  func(string)

	ignore []string // paths of fields that others may hold
}

// apply sends the object. The number of pods is left to an autoscaler that has
// set it since: a manifest that still names one is no reason to fight. So is
// what the file says others may set.
func (c *client) apply(ctx context.Context, t target, want plan.Props, a application) (*unstructured.Unstructured, error) {
	applied, err := c.send(ctx, t, want, a)
	if scaledByOthers(err) && c.autoscaled(ctx, t) {
		return c.send(ctx, t, without(want, "spec.replicas"), a)
	}
	if left := heldByOthers(err, a.ignore); len(left) > 0 {
		return c.send(ctx, t, without(want, left...), a)
	}
	return applied, err
}

func (c *client) send(ctx context.Context, t target, want plan.Props, a application) (applied *unstructured.Unstructured, err error) {
	body, err := json.Marshal(want)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	options := metav1.PatchOptions{FieldManager: manager, Force: &a.force, FieldValidation: metav1.FieldValidationStrict}
	if a.dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	err = patiently(ctx, a.wait, func() (err error) {
		applied, err = c.at(t).Patch(ctx, t.name, types.ApplyPatchType, body, options)
		return err
	})
	return applied, err
}

func (c *client) dropAnnotation(ctx context.Context, t target, key string) error {
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: nil}}})
	if err != nil {
		return err
	}
	_, err = c.at(t).Patch(ctx, t.name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: manager})
	return err
}

// explainApply names the other managers of a conflict, and the remedy. If the
// API server refused the request and no object stood there, none does now.
func explainApply(op string, t target, live *unstructured.Unstructured, err error) error {
	var refused apierrors.APIStatus
	if !errors.As(err, &refused) {
		return &problem.Error{Kind: problem.Outside, Op: op, Err: err,
			Fix: "check that the cluster's API server can be reached, then run the command again"}
	}
	p := &problem.Error{Kind: problem.Outside, Op: op, Err: err, Fix: remedy(t, err)}
	if held := conflicts(refused.Status()); len(held) > 0 {
		p.Kind = problem.Refused
		p.Err = fmt.Errorf("fields were changed by others: %s", strings.Join(held, "; "))
	}
	if code := refused.Status().Code; live == nil && (badManifest(err) || code >= 400 && code < 500) {
		return notMade(p)
	}
	return p
}

func remedy(t target, err error) string {
	switch {
	case apierrors.IsConflict(err):
		return fmt.Sprintf("take the fields out of the file, which leaves them to the others, "+
			"or take them over: kubectl annotate %s %s=true", t.kubectl(), takeOver)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), badManifest(err):
		return "correct the manifest"
	case apierrors.IsNotFound(err):
		return "declare the namespace " + t.namespace + " in the file, or create it"
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return "give the caller's IAM identity an access entry of the cluster that allows this"
	}
	return "run the command again"
}

func conflicts(status metav1.Status) []string {
	if status.Details == nil {
		return nil
	}
	var out []string
	for _, cause := range status.Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			out = append(out, fmt.Sprintf("%s (%s)", strings.TrimPrefix(cause.Field, "."), cause.Message))
		}
	}
	return out
}

// How long an object may show no progress, or say that it has failed.
const (
	// stuckFor is the default progressDeadlineSeconds of a Deployment, used for everything. A rollout that
	// goes on may take as long as it likes.
	stuckFor = 10 * time.Minute
	// brokenFor lets a status that tells of an earlier failure be overtaken: the Deployment
	// controller takes its time to see that pods which could not be placed now can.
	brokenFor = 30 * time.Second
	// refusedFor is how long whoever makes a Service's load balancer may say the same thing against
	// it: it tries again after 5, 10, 20, 40 … s, and what only takes time is over by then.
	refusedFor = 2 * time.Minute
)

// untilReady follows the object that was applied until it is ready.
func (c *client) untilReady(ctx context.Context, t target, uid types.UID, op string, r engine.Request) (
	*unstructured.Unstructured, error) {
	var last *unstructured.Unstructured
	patience := cmp.Or(r.Patience, stuckFor)
	start, moved, text := time.Now(), time.Now(), ""
	said, since := "", time.Now()
	err := c.follow(ctx, t, func(u *unstructured.Unstructured) (bool, error) {
		if u == nil || u.GetUID() != uid || u.GetDeletionTimestamp() != nil {
			return false, &problem.Error{Kind: problem.Outside, Op: op, Err: errors.New("somebody deletes it at the same time"),
				Fix: "find out who (another stack, a GitOps controller, a person), then run the command again"}
		}
		last = u
		v := assess(u)
		if v.state == ready {
			return true, nil
		}
		if v.waiting != text {
			moved, text = time.Now(), v.waiting
		}
		reasons := c.reasons(ctx, t, u)
		if now := strings.Join(reasons, "; "); now != said {
			said, since = now, time.Now()
		}
		given := v.state == broken && time.Since(start) > brokenFor
		if isBalancer(u) && said != "" && time.Since(since) > refusedFor {
			v, given = verdict{broken, "its load balancer is refused"}, true
		}
		if given || time.Since(moved) > patience {
			return false, stuck(op, t, v, patience, reasons)
		}
		if r.Wait != nil {
			r.Wait(strings.Join(append([]string{v.waiting}, first(reasons)...), ": "))
		}
		return false, nil
	})
	if err != nil {
		return nil, unlessProblem(op, err)
	}
	return last, nil
}

func first(reasons []string) []string { return reasons[:min(len(reasons), 1)] }

func stuck(op string, t target, v verdict, patience time.Duration, reasons []string) error {
	text := v.waiting
	if v.state != broken {
		text = fmt.Sprintf("no progress for %s: %s", patience, text)
	}
	return &problem.Error{Kind: problem.Outside, Op: op, Err: errors.New(text), Notes: reasons,
		Fix: fmt.Sprintf("find the cause (kubectl describe %s, kubectl logs), correct it, then run the command again", t.kubectl())}
}

func unlessProblem(op string, err error) error {
	var p *problem.Error
	if errors.As(err, &p) {
		return err
	}
	return fmt.Errorf("%s: %w", op, err)
}

// secretType is the one kind whose content is secret whoever writes it.
const secretType = "v1/Secret"

// Secrets are the fields of a type that are secret.
func (p *Provider) Secrets(typ string) []string { return secretFields(typ) }

func secretFields(typ string) []string {
	if typ == secretType {
		return []string{"data", "stringData"}
	}
	return nil
}

// object is the live object without the bookkeeping of its managers.
func object(t target, u *unstructured.Unstructured) (engine.Object, error) {
	u = u.DeepCopy()
	u.SetManagedFields(nil)
	data, err := u.MarshalJSON()
	if err != nil {
		return engine.Object{}, fmt.Errorf("encode %s: %w", t, err)
	}
	outputs := plan.Props{}
	if err := json.Unmarshal(data, &outputs); err != nil {
		return engine.Object{}, fmt.Errorf("decode %s: %w", t, err)
	}
	outputs = value.HideAt(outputs, secretFields(t.typ()))
	return engine.Object{ID: makeID(t, u.GetUID()), Outputs: outputs}, nil
}

// Read returns engine.ErrNotFound once the object is gone, or going.
func (p *Provider) Read(ctx context.Context, r engine.Request) (engine.Object, error) {
	r.Want = nil
	c, t, err := p.locate(ctx, r)
	if errors.Is(err, errNoKind) {
		return engine.Object{}, fmt.Errorf("%s: %w", r.ID, engine.ErrNotFound)
	}
	if err != nil {
		return engine.Object{}, fmt.Errorf("read %s %s: %w", r.Type, r.ID, err)
	}
	var live *unstructured.Unstructured
	err = patiently(ctx, r.Wait, func() (err error) {
		live, err = c.get(ctx, t)
		return err
	})
	switch {
	case apierrors.IsNotFound(err):
		return engine.Object{}, fmt.Errorf("%s: %w", t, engine.ErrNotFound)
	case err != nil:
		return engine.Object{}, fmt.Errorf("read %s: %w", t, err)
	case !owned(live, r) || live.GetDeletionTimestamp() != nil:
		return engine.Object{}, fmt.Errorf("%s: %w", t, engine.ErrNotFound) // another one took its name
	}
	return object(t, live)
}

// Delete returns when the object is gone and, if it made pods, these too, so
// that their nodes can go next. Another object that took its name is left alone.
func (p *Provider) Delete(ctx context.Context, r engine.Request) error {
	r.Want = nil
	c, t, err := p.locate(ctx, r)
	if errors.Is(err, errNoKind) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete %s %s: %w", r.Type, r.ID, err)
	}
	var live *unstructured.Unstructured
	err = patiently(ctx, r.Wait, func() (err error) {
		live, err = c.get(ctx, t)
		return err
	})
	if apierrors.IsNotFound(err) || err == nil && !owned(live, r) {
		return nil
	}
	if err == nil {
		err = c.remove(ctx, t, live.GetUID(), r.Wait)
	}
	if err == nil {
		err = c.untilGone(ctx, t, live.GetUID(), r.Wait)
	}
	if err == nil && t.typ() == "v1/PersistentVolumeClaim" {
		err = c.untilReclaimed(ctx, live, r.Wait)
	}
	if err != nil {
		return unlessProblem("delete "+t.String(), err)
	}
	return nil
}

// remove asks for the delete. A workload goes in the foreground: last, after
// its pods. A precondition makes sure that it is the very object that was read.
func (c *client) remove(ctx context.Context, t target, uid types.UID, wait func(string)) error {
	propagation := metav1.DeletePropagationBackground
	if slices.Contains(workloads, t.gvk.Kind) {
		propagation = metav1.DeletePropagationForeground
	}
	err := patiently(ctx, wait, func() error {
		return c.at(t).Delete(ctx, t.name, metav1.DeleteOptions{
			PropagationPolicy: &propagation, Preconditions: &metav1.Preconditions{UID: &uid}})
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // gone, or another one by now
	}
	return err
}

// untilGone follows an object that is being deleted to its end.
func (c *client) untilGone(ctx context.Context, t target, uid types.UID, wait func(string)) error {
	moved, text := time.Now(), ""
	return c.follow(ctx, t, func(u *unstructured.Unstructured) (bool, error) {
		if u == nil || u.GetUID() != uid {
			return true, nil
		}
		reasons := c.reasons(ctx, t, u)
		now := fmt.Sprintf("%d pods, finalizers %s", len(reasons), strings.Join(u.GetFinalizers(), ", "))
		if now != text {
			moved, text = time.Now(), now
		}
		if time.Since(moved) > stuckFor {
			return false, &problem.Error{Kind: problem.Outside, Op: "delete " + t.String(), Notes: reasons,
				Err: fmt.Errorf("no progress for %s: %s", stuckFor, text),
				Fix: "find out what should remove the finalizers, or end the pods: kubectl describe " + t.kubectl()}
		}
		if wait != nil {
			wait(strings.Join(append([]string{goingText(t, u, reasons)}, first(reasons)...), ": "))
		}
		return false, nil
	})
}

func goingText(t target, u *unstructured.Unstructured, reasons []string) string {
	if len(reasons) > 0 && slices.Contains(workloads, t.gvk.Kind) {
		return fmt.Sprintf("%d of its pods are left", len(reasons))
	}
	if f := u.GetFinalizers(); len(f) > 0 {
		return "waiting for " + strings.Join(f, ", ")
	}
	return "waiting for it to go"
}

// Replaces lists fields that only a new object can have otherwise.
func (p *Provider) Replaces(typ string, old, want plan.Props) []string {
	old, errOld := value.RevealMap(old)
	want, errWant := value.RevealMap(want)
	if errOld != nil || errWant != nil {
		return nil // Update will meet the same error, and can tell it
	}
	return replaces(typ, old, want)
}

// DeleteFirst is true: an object's name is fixed, so the old and the new one
// cannot stand side by side.
func (p *Provider) DeleteFirst(string, plan.Props, plan.Props) bool { return true }

// Claims are none: an object's name is that of its resource, too.
func (p *Provider) Claims(string, plan.Props) []string { return nil }

// identity is what tells an object from any other, for as long as it stands.
var identity = []string{"apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.uid", "metadata.creationTimestamp"}

// plainKinds have the fields that most kinds have, and no others.
var plainKinds = []string{"v1/Service", "v1/Namespace", "v1/Pod", "v1/PersistentVolumeClaim", "apps/v1/Deployment", "apps/v1/StatefulSet",
	"apps/v1/DaemonSet", "batch/v1/Job", "batch/v1/CronJob", "networking.k8s.io/v1/Ingress", "policy/v1/PodDisruptionBudget"}

// Outputs are the fields of a type at the top; none if that is not known.
func (p *Provider) Outputs(typ string) []string {
	fields := []string{"apiVersion", "kind", "metadata"}
	switch {
	case slices.Contains(plainKinds, typ):
		return append(fields, "spec", "status")
	case typ == secretType, typ == "v1/ConfigMap":
		return append(fields, "data", "binaryData", "immutable", "type")
	}
	return nil
}

// Steady says whether no update in place changes an output.
func (p *Provider) Steady(typ, output string) bool {
	gvk, err := kindOf(typ)
	return err == nil && (slices.Contains(identity, output) ||
		gvk.Group == "" && gvk.Kind == "Service" && strings.HasPrefix(output, "spec.clusterIP"))
}
