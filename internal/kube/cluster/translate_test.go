package cluster

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var yes = true

var _ = metav1.Now
