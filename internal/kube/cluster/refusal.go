package cluster

import (
	"errors"
	"net/http"
	"strings"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/droverhq/drover/internal/handover"
	"github.com/droverhq/drover/problem"
)

// refused turns a no to one call about one object into a *handover.Refusal:
// whatever the API server answers by 4xx, and what admission answers by 500. An
// error that stays as it is means that nobody knows: no answer, no right to ask
// at all (401), or an API server that has too much to do. Budgets are the names
// of the disruption budgets that select the pod, if the call was an eviction.
func refused(err error, budgets ...string) error {
	var status apierrors.APIStatus
	if err == nil || !errors.As(err, &status) {
		return err
	}
	s := status.Status()
	cause, byBudget := apierrors.StatusCause(err, policyv1.DisruptionBudgetCause)
	switch {
	case byBudget:
		r := &handover.Refusal{Budget: strings.Join(budgets, " "), Passing: true, Why: "PodDisruptionBudget " + strings.Join(budgets, " ") + ": " + cause.Message}
		if len(budgets) == 0 {
			r.Budget, r.Why = "its own", cause.Message
		}
		return r
	case s.Code == http.StatusInternalServerError && strings.Contains(s.Message, "more than one PodDisruptionBudget"):
		return &handover.Refusal{
			Budget: strings.Join(budgets, " "), Passing: true,
			Why: "the Eviction API refuses pods under two PodDisruptionBudgets: " + strings.Join(budgets, ", "),
		}
	case s.Code == http.StatusInternalServerError && webhook(s.Message):
		return &handover.Refusal{Why: s.Message, Passing: true}
	case s.Code == http.StatusTooManyRequests:
		if webhook(s.Message) || waits(s) == 0 {
			return &handover.Refusal{Why: s.Message, Passing: true}
		}
	case s.Code == http.StatusConflict:
		return &handover.Refusal{Why: s.Message, Passing: true}
	case s.Code == http.StatusUnauthorized, s.Code == http.StatusRequestTimeout:
	case s.Code >= http.StatusBadRequest && s.Code < http.StatusInternalServerError:
		return &handover.Refusal{Why: s.Message}
	}
	return err
}

// barred tells of a right that the caller lacks to what moves keep in the cluster,
// with what helps.
func barred(err error) error {
	if !apierrors.IsForbidden(err) {
		return err
	}
	return &problem.Error{Kind: problem.Refused, Err: handover.Barred(err), Fix: handover.RightsFix}
}

// rehearsed is refused for a dry run. Where it could not be tried nothing is
// known, and the call itself will tell.
func rehearsed(err error, budgets ...string) error {
	if untried(err) {
		return nil
	}
	return refused(err, budgets...)
}

// untried: a webhook has side effects that it cannot leave out, so the API server
// refuses the dry run, and not the call.
func untried(err error) bool {
	return apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "does not support dry run")
}

// webhook: an admission webhook said so, or could not be asked.
func webhook(message string) bool {
	return strings.Contains(message, "admission webhook ") || strings.Contains(message, "failed calling webhook ")
}

// waits is after how many seconds the API server wants to be asked again; it
// says so when it has too much to do, webhooks do not.
func waits(s metav1.Status) int32 {
	if s.Details == nil {
		return 0
	}
	return s.Details.RetryAfterSeconds
}
