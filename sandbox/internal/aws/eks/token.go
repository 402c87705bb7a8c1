package eks

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/clock"
	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/sigv4"
)

const (
	tokenPrefix = "k8s-aws-v1."
	tokenLife   = 15 * time.Minute // from X-Amz-Date; X-Amz-Expires is ignored, as by the authenticator
	tokenMax    = 4096             // bytes
	clusterID   = "X-K8s-Aws-Id"   // signed header that holds the cluster's name
)

// tokenReview is authentication.k8s.io/v1 TokenReview, as far as it is used.
type tokenReview struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Spec       *tokenSpec   `json:"spec,omitempty"`
	Status     reviewStatus `json:"status"`
}

type tokenSpec struct {
	Token string `json:"token"`
}

type reviewStatus struct {
	Authenticated bool      `json:"authenticated"`
	User          *userInfo `json:"user,omitempty"`
	Error         string    `json:"error,omitempty"`
}

type userInfo struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

// Reviewer is the webhook that API servers ask about bearer tokens: what
// aws-iam-authenticator does on EKS. Each asks at a path that ends with the number of its
// control plane.
type Reviewer struct {
	store *region.Store
	clock *clock.Clock
}

// NewReviewer makes a Reviewer.
func NewReviewer(store *region.Store, clock *clock.Clock) *Reviewer {
	return &Reviewer{store: store, clock: clock}
}

// ServeHTTP answers a TokenReview.
func (v *Reviewer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var review tokenReview
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&review); err != nil || review.Spec == nil {
		http.Error(w, "the body is not a TokenReview", http.StatusBadRequest)
		return
	}
	user, err := v.review(r.PathValue("plane"), review.Spec.Token)
	review.Spec = nil
	if err != nil {
		review.Status = reviewStatus{Error: err.Error()}
	} else {
		review.Status = reviewStatus{Authenticated: true, User: user}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

// review finds the user behind a token: a presigned STS GetCallerIdentity.
func (v *Reviewer) review(plane, token string) (*userInfo, error) {
	s, u, err := v.parse(token)
	if err != nil {
		return nil, err
	}
	var user *userInfo
	err = v.store.Read(func(st *region.State) error {
		c, err := clusterOf(st, plane, s, u)
		if err != nil {
			return err
		}
		who, err := st.Caller(s.AccessKey, s.Token, v.clock.Now())
		if err != nil {
			return err
		}
		user, err = authorize(st, c, who, s.AccessKey)
		return err
	})
	return user, err
}

// parse reads the token and checks all but its signature.
func (v *Reviewer) parse(token string) (s sigv4.Signature, u *url.URL, err error) {
	encoded, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok || len(token) > tokenMax {
		return s, nil, fmt.Errorf("the token is not of the form %s…", tokenPrefix)
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return s, nil, fmt.Errorf("the token is not base64url: %w", err)
	}
	if u, err = url.Parse(string(text)); err != nil {
		return s, nil, fmt.Errorf("the token holds no URL: %w", err)
	}
	query := u.Query()
	if err := checkQuery(u, query); err != nil {
		return s, nil, err
	}
	s, err = sigv4.Parse(http.Header{}, query)
	switch {
	case err != nil:
	case s.Service != "sts":
		err = fmt.Errorf("the token is signed for %s, not for sts", s.Service)
	case !slices.Contains(s.Headers, strings.ToLower(clusterID)):
		err = fmt.Errorf("the token does not sign the header %s", clusterID)
	case v.clock.Now().Sub(v.clock.At(s.Time)).Abs() > tokenLife:
		err = fmt.Errorf("the token of %s has expired", s.Time.Format(time.RFC3339))
	}
	return s, u, err
}

// checkQuery allows a GET of GetCallerIdentity on STS, and nothing beside it.
func checkQuery(u *url.URL, query url.Values) error {
	if !strings.HasPrefix(u.Hostname(), "sts.") && u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" {
		return fmt.Errorf("the token's host %q is not STS", u.Host)
	}
	if query.Get("Action") != "GetCallerIdentity" {
		return fmt.Errorf("the token's action is %q, not GetCallerIdentity", query.Get("Action"))
	}
	for key := range query {
		switch key {
		case "Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
			"X-Amz-Security-Token",
			"X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-User-Agent", "x-amz-user-agent", "x-id":
		default:
			return fmt.Errorf("the token's URL has the parameter %q", key)
		}
	}
	return nil
}

// clusterOf is the cluster that asks, if its name makes the signature valid: the URL
// tells that the header was signed, but not its value.
func clusterOf(st *region.State, plane string, s sigv4.Signature, u *url.URL) (*region.Cluster, error) {
	for _, c := range st.Clusters {
		if strconv.Itoa(c.Plane) != plane {
			continue
		}
		r := &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{clusterID: {c.Name}}}
		if err := s.Verify(r, nil, st.Secret); err != nil {
			return nil, fmt.Errorf("the token is not for this cluster, or not signed by a known key: %w", err)
		}
		return c, nil
	}
	return nil, errors.New("there is no cluster")
}

// authorize maps an AWS identity to a Kubernetes one. The creator of a cluster
// needs no access entry where the cluster knows none (CONFIG_MAP).
func authorize(st *region.State, c *region.Cluster, who region.Caller, accessKey string) (*userInfo, error) {
	arn := who.Principal()
	user := &userInfo{Username: who.ARN, UID: "aws-iam-authenticator:" + region.Account + ":" + who.UserID,
		Extra: map[string][]string{"arn": {who.ARN}, "canonicalArn": {arn}, "principalId": {who.UserID},
			"accessKeyId": {accessKey}}}
	entry, listed := st.AccessEntries[arn+"|"+c.Name]
	creator := c.Access.AuthenticationMode == "CONFIG_MAP" && c.Creator == arn && *c.Access.BootstrapAdmin
	if listed {
		user.Username, user.Groups = username(entry, who), slices.Clone(entry.KubernetesGroups)
	}
	if creator || listed && entry.Admin() {
		user.Groups = append(user.Groups, "system:masters")
	}
	if !creator && !listed {
		return nil, fmt.Errorf("%s has no access entry in cluster %s", arn, c.Name)
	}
	return user, nil
}

// username fills in the name of the session, which is what differs between
// those who assumed the same role.
func username(e *region.AccessEntry, who region.Caller) string {
	_, session, _ := strings.Cut(who.UserID, ":")
	return strings.NewReplacer("{{SessionName}}", session, "{{SessionNameRaw}}", session).Replace(e.Username)
}
