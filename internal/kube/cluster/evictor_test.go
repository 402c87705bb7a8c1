package cluster

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/droverhq/drover/internal/handover"
)

const evictorsImage = "registry.k8s.io/descheduler/descheduler:v0.34.0"

func ofUID(name string, owner ...metav1.OwnerReference) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "sys", Name: name, UID: types.UID("uid-" + name), OwnerReferences: owner}
}

func by(api, kind, name string) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{APIVersion: api, Kind: kind, Name: name, UID: types.UID("uid-" + name), Controller: &yes}
}

func descheduling(image string, replicas *int32, owner ...metav1.OwnerReference) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: ofUID("d", owner...)}
	d.Spec.Replicas = replicas
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: image}}
	return d
}

func atTimes(image string, suspend *bool) *batchv1.CronJob {
	c := &batchv1.CronJob{ObjectMeta: ofUID("every-2m")}
	c.Spec.Suspend = suspend
	c.Spec.JobTemplate.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: image}}
	return c
}

func viewOf(t *testing.T, objects ...runtime.Object) (*Cluster, *handover.View) {
	t.Helper()
	c, _ := opened(t, objects...)
	v, err := c.View()
	if err != nil {
		t.Fatal(err)
	}
	return c, v
}

// What runs a descheduler is seen by its template, also between two runs.
func TestEvictorsInAView(t *testing.T) {
	yes, two := true, int32(2)
	operator := by("operator.example.com/v1", "KubeDescheduler", "cluster")
	marked := descheduling(evictorsImage, &two)
	marked.Annotations = map[string]string{handover.CalmAnnotation: "{}"}
	deployment := handover.Evictor{Kind: "Deployment", API: "apps/v1", Namespace: "sys", Name: "d", Replicas: 1}
	cronJob := handover.Evictor{Kind: "CronJob", API: "batch/v1", Namespace: "sys", Name: "every-2m"}
	with := func(e handover.Evictor, change func(*handover.Evictor)) *handover.Evictor { change(&e); return &e }
	for name, tt := range map[string]struct {
		object runtime.Object
		want   *handover.Evictor
	}{
		"a Deployment":          {descheduling(evictorsImage, nil), &deployment},
		"of two, with a record": {marked, with(deployment, func(e *handover.Evictor) { e.Replicas, e.Calmed = 2, "{}" })},
		"an operator's":         {descheduling(evictorsImage, nil, operator), with(deployment, func(e *handover.Evictor) { e.Keeper = "kubedescheduler.operator.example.com/sys/cluster" })},
		"a CronJob":             {atTimes(evictorsImage, nil), &cronJob},
		"one that is suspended": {atTimes(evictorsImage, &yes), with(cronJob, func(e *handover.Evictor) { e.Suspended = true })},
		"of a mirror":           {atTimes("mirror.example.com/k8s/descheduler@sha256:0", nil), &cronJob},
		"somebody else's":       {descheduling("web:1", nil), nil},
		"… CronJob":             {atTimes("backup:1", nil), nil},
	} {
		_, v := viewOf(t, tt.object)
		var got *handover.Evictor
		for _, e := range v.Evictors {
			got = e
		}
		if (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

// A descheduler's pod tells what runs it in the end.
func TestPodsOfEvictors(t *testing.T) {
	pod := func(image string, owner ...metav1.OwnerReference) *corev1.Pod {
		p := running("sys", "p", image)
		p.OwnerReferences = owner
		return p
	}
	set := &appsv1.ReplicaSet{ObjectMeta: ofUID("d-1", by("apps/v1", "Deployment", "d"))}
	job := &batchv1.Job{ObjectMeta: ofUID("every-2m-1", by("batch/v1", "CronJob", "every-2m"))}
	operator := by("operator.example.com/v1", "KubeDescheduler", "cluster")
	for name, tt := range map[string]struct {
		objects []runtime.Object
		want    string
	}{
		"a Deployment's":   {[]runtime.Object{pod(evictorsImage, by("apps/v1", "ReplicaSet", "d-1")), set, descheduling(evictorsImage, nil)}, "deployment/sys/d"},
		"… of an operator": {[]runtime.Object{pod(evictorsImage, by("apps/v1", "ReplicaSet", "d-1")), set, descheduling(evictorsImage, nil, operator)}, "deployment/sys/d"},
		"a CronJob's":      {[]runtime.Object{pod(evictorsImage, by("batch/v1", "Job", "every-2m-1")), job, atTimes(evictorsImage, nil)}, "cronjob/sys/every-2m"},
		"a Job's":          {[]runtime.Object{pod(evictorsImage, by("batch/v1", "Job", "once")), &batchv1.Job{ObjectMeta: ofUID("once")}}, "job/sys/once"},
		"nobody's":         {[]runtime.Object{pod(evictorsImage)}, "pod/sys/p"},
		"somebody else's":  {[]runtime.Object{pod("web:1")}, ""},
	} {
		_, v := viewOf(t, tt.objects...)
		if got := v.Pods["sys-p"].Evictor; got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// It is turned off and marked in one write; one that is gone is no error.
func TestPatchEvictor(t *testing.T) {
	c, v := viewOf(t, descheduling(evictorsImage, nil), atTimes(evictorsImage, nil))
	none, yes, mark := 0, true, "{}"
	patch := handover.Patch{Annotations: map[string]*string{handover.CalmAnnotation: &mark}, Replicas: &none}
	if err := c.PatchEvictor(t.Context(), *v.Evictors["deployment/sys/d"], patch); err != nil {
		t.Fatal(err)
	}
	patch.Replicas, patch.Suspended = nil, &yes
	if err := c.PatchEvictor(t.Context(), *v.Evictors["cronjob/sys/every-2m"], patch); err != nil {
		t.Fatal(err)
	}
	d, err := c.client.AppsV1().Deployments("sys").Get(t.Context(), "d", metav1.GetOptions{})
	if err != nil || *d.Spec.Replicas != 0 || d.Annotations[handover.CalmAnnotation] != mark {
		t.Errorf("%+v, %v", d, err)
	}
	j, err := c.client.BatchV1().CronJobs("sys").Get(t.Context(), "every-2m", metav1.GetOptions{})
	if err != nil || !*j.Spec.Suspend || j.Annotations[handover.CalmAnnotation] != mark {
		t.Errorf("%+v, %v", j, err)
	}
	if err := c.PatchEvictor(t.Context(), handover.Evictor{Kind: "Deployment", Namespace: "sys", Name: "gone"}, patch); err != nil {
		t.Error(err)
	}
}
