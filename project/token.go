package project

import (
	"context"
	"time"

	"github.com/droverhq/drover/internal/aws"
)

// ExecCredential is client.authentication.k8s.io/v1beta1, as kubectl reads it
// from an exec plugin.
type ExecCredential struct {
	APIVersion string               `json:"apiVersion"`
	Kind       string               `json:"kind"`
	Status     ExecCredentialStatus `json:"status"`
}

// ExecCredentialStatus holds the token and when to ask for the next one.
type ExecCredentialStatus struct {
	ExpirationTimestamp time.Time `json:"expirationTimestamp"`
	Token               string    `json:"token"`
}

// Token makes a token that lets the caller's AWS identity in to an EKS cluster.
func Token(ctx context.Context, cluster, region string) (ExecCredential, error) {
	cloud, err := aws.Load(ctx, region)
	if err != nil {
		return ExecCredential{}, err
	}
	token, expires, err := cloud.Token(ctx, cluster)
	if err != nil {
		return ExecCredential{}, err
	}
	return ExecCredential{
		APIVersion: "client.authentication.k8s.io/v1beta1",
		Kind:       "ExecCredential",
		Status:     ExecCredentialStatus{ExpirationTimestamp: expires.UTC().Truncate(time.Second), Token: token},
	}, nil
}
