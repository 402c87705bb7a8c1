package move

import (
	"context"
	"errors"
	"fmt"

	"github.com/droverhq/drover/internal/aws"
	"github.com/droverhq/drover/problem"
)

// fences puts fences round Auto Scaling groups, and takes them away.
type fences interface {
	Protect(ctx context.Context, group string) error
	Unprotect(ctx context.Context, group string) (retained []string, err error)
}

// Protect puts a fence round Auto Scaling groups, so that nobody's delete or scale-in
// ends an instance of them: it is retained, and serves on, until Drover has emptied
// it. What the groups were like before is kept on them, for Unprotect.
func Protect(ctx context.Context, sets []Set) error {
	f, err := fencer(ctx)
	if err != nil {
		return err
	}
	return protect(ctx, f, sets)
}

// Unprotect takes the fences away, and puts back what was there before. Instances
// that a fence has retained stay so, and are named.
func Unprotect(ctx context.Context, sets []Set) (retained []string, err error) {
	f, err := fencer(ctx)
	if err != nil {
		return nil, err
	}
	return unprotect(ctx, f, sets)
}

func fencer(ctx context.Context) (fences, error) {
	cloud, err := aws.Load(ctx, "")
	if err != nil {
		return nil, err
	}
	return cloud.Scaling(), nil
}

func protect(ctx context.Context, f fences, sets []Set) error {
	if err := fenceable(sets); err != nil {
		return err
	}
	for _, s := range sets {
		if err := f.Protect(ctx, s.Name); err != nil {
			return fmt.Errorf("protect %s: %w", s, err)
		}
	}
	return nil
}

func unprotect(ctx context.Context, f fences, sets []Set) (retained []string, err error) {
	if err := fenceable(sets); err != nil {
		return nil, err
	}
	for _, s := range sets {
		some, err := f.Unprotect(ctx, s.Name)
		if err != nil {
			return retained, fmt.Errorf("unprotect %s: %w", s, err)
		}
		retained = append(retained, some...)
	}
	return retained, nil
}

// fenceable: AWS lets others than a group's maker put a fence round it.
func fenceable(sets []Set) error {
	var wrong problem.List
	for _, s := range sets {
		if s.Kind == ASG {
			continue
		}
		p := &problem.Error{Kind: problem.Usage, Op: "protect " + s.String(), Err: errors.New("a fence is of an Auto Scaling group"), Fix: "name the group: asg/NAME"}
		if s.Kind == NodeGroup {
			p.Err = errors.New("EKS answers the termination hooks of its managed groups itself, and has no protection of one from its delete: a fence there would hold nobody back")
			p.Fix = "deny eks:DeleteNodegroup and eks:UpdateNodegroupConfig by IAM to who must not, and move what runs there by drover migrate"
		}
		wrong = append(wrong, p)
	}
	return wrong.Err()
}
