package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/droverhq/drover/internal/engine"
	"github.com/droverhq/drover/plan"
	"github.com/droverhq/drover/problem"
)

var _ engine.Declarer = (*Provider)(nil)

// Declared is a live object as a manifest would have it: without its status, and
// without what the API server and controllers note in its metadata. Defaults that
// the API server filled in are there, too.
func (p *Provider) Declared(ctx context.Context, r engine.Request) (engine.Declaration, error) {
	c, t, err := p.locate(ctx, r)
	if errors.Is(err, errNoKind) {
		return engine.Declaration{}, fmt.Errorf("%s: %w", r.ID, engine.ErrNotFound)
	}
	if err != nil {
		return engine.Declaration{}, unlessProblem("read "+r.Type+" "+r.ID, err)
	}
	live, err := c.get(ctx, t)
	if apierrors.IsNotFound(err) {
		return engine.Declaration{}, fmt.Errorf("%s: %w", r.ID, engine.ErrNotFound)
	}
	if err != nil {
		return engine.Declaration{}, fmt.Errorf("read %s: %w", t, err)
	}
	if err := importable(t, live); err != nil {
		return engine.Declaration{}, err
	}
	obj, err := object(t, live)
	if err != nil {
		return engine.Declaration{}, err
	}
	return engine.Declaration{Object: obj, Props: manifest(obj.Outputs), Owner: owner(live)}, nil
}

// importable refuses what a stack file cannot stand for.
func importable(t target, live *unstructured.Unstructured) error {
	if by := metav1.GetControllerOf(live); by != nil {
		return &problem.Error{Kind: problem.Refused, Op: "import " + t.String(), Err: fmt.Errorf("%s %s makes it, and would make it again", by.Kind, by.Name),
			Fix: "import that one"}
	}
	if len(secretFields(t.typ())) > 0 {
		return &problem.Error{Kind: problem.Refused, Op: "import " + t.String(), Err: errors.New("what it holds is secret, and would be printed"),
			Fix: fmt.Sprintf("declare it with !secret values, and give it to this stack: kubectl annotate %s %s=true", t.kubectl(), takeOver)}
	}
	return nil
}

// noted are the fields of the metadata that people do not write.
var noted = []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"}

// notes are annotations of programs that say how far they are.
var notes = []string{"kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision", "control-plane.alpha.kubernetes.io/leader"}

// manifest is what is left of a live object.
func manifest(live plan.Props) plan.Props {
	u := (&unstructured.Unstructured{Object: live}).DeepCopy()
	unstructured.RemoveNestedField(u.Object, "status")
	for _, key := range noted {
		unstructured.RemoveNestedField(u.Object, "metadata", key)
	}
	annotations := u.GetAnnotations()
	for _, key := range notes {
		delete(annotations, key)
	}
	for key := range annotations {
		if strings.HasPrefix(key, ownerPrefix) {
			delete(annotations, key)
		}
	}
	unstructured.RemoveNestedField(u.Object, "metadata", "annotations")
	if len(annotations) > 0 {
		u.SetAnnotations(annotations)
	}
	return u.Object
}

// owner are the owner's tags as a request has them.
func owner(live *unstructured.Unstructured) map[string]string {
	tags := map[string]string{}
	for key, text := range live.GetAnnotations() {
		if name, own := strings.CutPrefix(key, ownerPrefix); own {
			tags["drover:"+name] = text
		}
	}
	return tags
}
