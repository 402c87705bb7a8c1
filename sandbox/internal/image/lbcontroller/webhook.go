package lbcontroller

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/droverhq/drover/sandbox/internal/pki"
)

// The objects that an installation of the controller has. With Helm the certificate
// is made at installation; this one makes its own when it starts.
const (
	webhookService = "aws-load-balancer-webhook-service"
	webhookConfig  = "aws-load-balancer-webhook"
	webhookSecret  = "aws-load-balancer-tls"
	webhookPath    = "/mutate-v1-pod"
)

// serveWebhook answers the API server until ctx ends.
func (c *controller) serveWebhook(ctx context.Context) error {
	secret, err := c.certificate(ctx)
	if err != nil {
		return fmt.Errorf("the webhook's certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return err
	}
	go c.keepBundle(ctx, secret.Data["ca.crt"])
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+webhookPath, c.admit)
	return listenAndServe(ctx, &http.Server{Addr: fmt.Sprintf(":%d", c.webhookPort), Handler: mux, ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}})
}

// certificate is the one in the Secret, which the first replica makes.
func (c *controller) certificate(ctx context.Context) (*corev1.Secret, error) {
	api := c.kube.CoreV1().Secrets(c.namespace)
	secret, err := api.Get(ctx, webhookSecret, getOptions)
	if !apierrors.IsNotFound(err) {
		return secret, err
	}
	dir, err := os.MkdirTemp("", "pki")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ca, err := pki.Open(dir)
	if err != nil {
		return nil, err
	}
	host := webhookService + "." + c.namespace
	pair, err := ca.Server(webhookService, host, host+".svc")
	if err != nil {
		return nil, err
	}
	secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: webhookSecret, Namespace: c.namespace}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{"ca.crt": ca.PEM, corev1.TLSCertKey: pair.Cert, corev1.TLSPrivateKeyKey: pair.Key}}
	made, err := api.Create(ctx, secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return api.Get(ctx, webhookSecret, getOptions)
	}
	return made, err
}

// keepBundle writes into the webhook's configuration, whenever it comes, whom the
// API server shall trust.
func (c *controller) keepBundle(ctx context.Context, ca []byte) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := c.writeBundle(ctx, ca); err != nil && ctx.Err() == nil {
			c.log.Warn("the webhook's configuration", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *controller) writeBundle(ctx context.Context, ca []byte) error {
	api := c.kube.AdmissionregistrationV1().MutatingWebhookConfigurations()
	config, err := api.Get(ctx, webhookConfig, getOptions)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	changed := false
	for k, w := range config.Webhooks {
		if !bytes.Equal(w.ClientConfig.CABundle, ca) {
			config.Webhooks[k].ClientConfig.CABundle, changed = ca, true
		}
	}
	if !changed {
		return nil
	}
	_, err = api.Update(ctx, config, updateOptions)
	return err
}

// admit answers a review of a pod.
func (c *controller) admit(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
	if err == nil {
		err = json.Unmarshal(body, &review)
	}
	if err != nil || review.Request == nil {
		http.Error(w, "no review", http.StatusBadRequest)
		return
	}
	review.Response = c.review(review.Request)
	review.Response.UID = review.Request.UID
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

// review gives a new pod a gate for each binding of a Service that selects it.
func (c *controller) review(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	allowed := &admissionv1.AdmissionResponse{Allowed: true}
	var pod corev1.Pod
	if err := json.Unmarshal(r.Object.Raw, &pod); err != nil || r.Operation != admissionv1.Create || !c.gates {
		return allowed
	}
	gates := slices.Clone(pod.Spec.ReadinessGates)
	for _, gate := range c.gatesOf(r.Namespace, pod.Labels) {
		if !gated(&pod, gate) {
			gates = append(gates, corev1.PodReadinessGate{ConditionType: gate})
		}
	}
	if len(gates) == len(pod.Spec.ReadinessGates) {
		return allowed
	}
	patch, err := json.Marshal([]map[string]any{{"op": "add", "path": "/spec/readinessGates", "value": gates}})
	if err != nil {
		return allowed
	}
	kind := admissionv1.PatchTypeJSONPatch
	allowed.Patch, allowed.PatchType = patch, &kind
	return allowed
}

func (c *controller) gatesOf(namespace string, of map[string]string) (gates []corev1.PodConditionType) {
	for _, b := range c.bindingsIn(namespace) {
		service, err := c.services.Services(namespace).Get(b.service)
		if err != nil || b.kind != types.TargetTypeEnumIp || len(service.Spec.Selector) == 0 {
			continue
		}
		if labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(of)) {
			gates = append(gates, b.gate())
		}
	}
	return gates
}
