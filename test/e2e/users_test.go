//go:build e2e && torture

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// asUser is a pod of a Deployment as people secure them.
var asUser = &corev1.PodSecurityContext{RunAsUser: new(int64(1000)), RunAsGroup: new(int64(3000)), FSGroup: new(int64(2000)),
	SupplementalGroups: []int64{4000}, RunAsNonRoot: new(true)}

// look prints who the pod is and whose its volumes are, before and after it writes into them.
const look = `id -u; id -g; id -G
for v in empty claim; do touch /$v/mine && stat -c '%n %u:%g %a' /$v /$v/mine; done
stat -L -c '%n %u:%g' /secret/key /var/run/secrets/kubernetes.io/serviceaccount/token
cat /secret/key && test -s /var/run/secrets/kubernetes.io/serviceaccount/token && echo token is read`

// seen is what it prints on EKS.
const seen = `1000
3000
3000 2000 4000
/empty 0:2000 2777
/empty/mine 1000:2000 644
/claim 0:2000 2775
/claim/mine 1000:2000 644
/secret/key 0:2000
/var/run/secrets/kubernetes.io/serviceaccount/token 1000:2000
hushtoken is read
`

// The sandbox's pods are who they say, and the kubelet gives them their volumes: emptyDir, Secret, token and
// claim. One that may not be root, and is, does not start; nor does one with a user that is not there, and
// both say why. The files of others are gone with the sandbox, which stops after all tests.
func TestUsersOfPods(t *testing.T) {
	out, err := exec.Command(filepath.Join(bin(), "drover-sandbox"), "status").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "users of pods 0 to 65535") {
		t.Skipf("no subordinate IDs: %s", out)
	}
	p := newProject(t)
	p.run("up", "--yes")
	c := newPods(t)
	c.volumes()
	c.run("who", asUser, look)
	c.await("who", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodSucceeded })
	if said := c.log("who"); said != seen {
		t.Errorf("the pod says\n%s\nwant\n%s", said, seen)
	}
	c.run("root", &corev1.PodSecurityContext{RunAsNonRoot: new(true)}, "true")
	c.await("root", waits("CreateContainerConfigError", "image will run as root"))
	c.run("nobody-has", &corev1.PodSecurityContext{RunAsUser: new(int64(70000))}, "true")
	c.await("nobody-has", waits("RunContainerError", "run as user 70000: the sandbox has the users 0 to 65535"))
	c.remove()
}

// pods are some in the default namespace.
type pods struct {
	t      *testing.T
	client kubernetes.Interface
}

func newPods(t *testing.T) pods {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	return pods{t, kubernetes.NewForConfigOrDie(config)}
}

// volumes makes a Secret and a claim.
func (c pods) volumes() {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "secret"}, StringData: map[string]string{"key": "hush"}}
	if _, err := c.client.CoreV1().Secrets("default").Create(c.t.Context(), secret, metav1.CreateOptions{}); err != nil {
		c.t.Fatal(err)
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "claim"}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}}}
	if _, err := c.client.CoreV1().PersistentVolumeClaims("default").Create(c.t.Context(), claim, metav1.CreateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// run starts a pod, which has the volumes if it is the one that looks at them.
func (c pods) run(name string, who *corev1.PodSecurityContext, script string) {
	c.t.Helper()
	container := corev1.Container{Name: "main", Image: "busybox:1.37", Command: []string{"sh", "-c", script}}
	spec := corev1.PodSpec{SecurityContext: who, RestartPolicy: corev1.RestartPolicyNever}
	if script == look {
		for name, source := range map[string]corev1.VolumeSource{
			"empty":  {EmptyDir: &corev1.EmptyDirVolumeSource{}},
			"secret": {Secret: &corev1.SecretVolumeSource{SecretName: "secret"}},
			"claim":  {PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "claim"}},
		} {
			spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
			container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/" + name})
		}
	}
	spec.Containers = []corev1.Container{container}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	if _, err := c.client.CoreV1().Pods("default").Create(c.t.Context(), pod, metav1.CreateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// waits tells that a pod's container does not start, for a reason.
func waits(reason, message string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		for _, s := range pod.Status.ContainerStatuses {
			if s.State.Waiting != nil && s.State.Waiting.Reason == reason && strings.Contains(s.State.Waiting.Message, message) {
				return true
			}
			if end := s.State.Terminated; end != nil && strings.Contains(end.Message, message) {
				return true
			}
		}
		return false
	}
}

func (c pods) await(name string, so func(*corev1.Pod) bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	for {
		pod, err := c.client.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
		if err == nil && so(pod) {
			return
		}
		if ctx.Err() != nil {
			c.t.Fatalf("pod %s: %v, %s, log:\n%s", name, err, pod.Status.String(), c.log(name))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (c pods) log(name string) string {
	out, err := c.client.CoreV1().Pods("default").GetLogs(name, &corev1.PodLogOptions{}).DoRaw(c.t.Context())
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// remove deletes all of it and waits for the end of the volume: it is AWS's, and would be left.
func (c pods) remove() {
	c.t.Helper()
	core := c.client.CoreV1()
	if err := core.Pods("default").DeleteCollection(c.t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		c.t.Fatal(err)
	}
	if err := core.PersistentVolumeClaims("default").Delete(c.t.Context(), "claim", metav1.DeleteOptions{}); err != nil {
		c.t.Fatal(err)
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		list, err := core.PersistentVolumes().List(c.t.Context(), metav1.ListOptions{})
		if err == nil && len(list.Items) == 0 {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("the volume is not deleted: %v, %v", list, err)
		}
	}
}
