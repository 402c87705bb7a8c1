package cluster

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/droverhq/drover/internal/handover"
)

func TestRehearsedPodNamesWhatIsMissing(t *testing.T) {
	optional := true
	live := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "1"}}
	live.Spec.NodeName = "old"
	for name, tt := range map[string]struct {
		volume corev1.VolumeSource
		want   string
	}{
		"a secret":            {corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "tls"}}, `Secret "tls"`},
		"an optional secret":  {corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "tls", Optional: &optional}}, ""},
		"a config map":        {corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "conf"}}}, `ConfigMap "conf"`},
		"a claim":             {corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}, `PersistentVolumeClaim "data"`},
		"a secret that is so": {corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "there"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := live.DeepCopy()
			p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: tt.volume}}
			client := fake.NewSimpleClientset(p, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "there"}})
			c := &Cluster{client: client, factory: informers.NewSharedInformerFactory(client, 0)}
			err := c.Rehearse(t.Context(), handover.Rehearsal{Pod: handover.Ref{Namespace: "shop", Name: "web", UID: "1"}, Create: true})
			var r *handover.Refusal
			if tt.want == "" && err != nil || tt.want != "" && (!errors.As(err, &r) || !strings.Contains(r.Why, tt.want)) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestSiblingHasNoTraceOfItsNode(t *testing.T) {
	live := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	live.Spec = corev1.PodSpec{
		NodeName: "old", Volumes: []corev1.Volume{{Name: "kube-api-access-x"}, {Name: "data"}},
		Containers: []corev1.Container{{VolumeMounts: []corev1.VolumeMount{{Name: "kube-api-access-x"}, {Name: "data"}}}},
	}
	p := (&Cluster{}).sibling(live)
	if p.Spec.NodeName != "" || len(p.Spec.Volumes) != 1 || len(p.Spec.Containers[0].VolumeMounts) != 1 || p.GenerateName != "web-" || len(live.Spec.Volumes) != 2 {
		t.Errorf("%+v", p)
	}
}
