package doctor

import (
	"slices"
	"strings"
)

// Invokers are those who may call a function: Cloud Run lets nobody else through.
type Invokers struct {
	Subject string // negfleet-events
	Of      Function
	Members Read[map[string]bool] // as IAM writes them; allUsers: anybody
}

// anybody is the member that stands for callers without credentials too.
const anybody = "allUsers"

func (f *Facts) invokers(i Invokers) Finding {
	c := check{"invokers", i.Subject}
	if i.Members.Gap != nil {
		return c.gap(i.Members.Gap)
	}
	open := i.Members.Value[anybody]
	switch {
	case i.Of.Public && !open:
		return c.finding(Problem, "scripts/deploy --from functions; PUBLIC_ACCESS=no-invoker-check where allUsers is forbidden",
			"not open to anybody: API servers call it without a Google identity, and get 403")
	case i.Of.Public:
		return c.ok("open to anybody: callers prove themselves by their path or token")
	case open:
		return c.finding(Problem, "gcloud run services remove-iam-policy-binding "+i.Subject+" --member=allUsers --role=roles/run.invoker; gcloud run services update "+i.Subject+" --invoker-iam-check",
			"open to anybody, and takes what Pub/Sub and the Scheduler send alone")
	}
	callers, unread := f.callers(i.Of)
	if unread != nil {
		return c.gap(unread)
	}
	var shut []string
	for _, account := range callers {
		if !i.Members.Value["serviceAccount:"+account] {
			shut = append(shut, account)
		}
	}
	switch {
	case len(shut) > 0:
		return c.finding(Problem, again+", and --from schedule for the Scheduler's account", "may not call it: %s. It gets 403", strings.Join(shut, ", "))
	case len(callers) == 0:
		return c.ok("not open to anybody")
	}
	return c.ok("lets %s through", strings.Join(callers, ", "))
}

// callers are the accounts that Pub/Sub and the Scheduler sign their calls of a function as.
func (f *Facts) callers(of Function) (accounts []string, unread *Gap) {
	for _, s := range of.Receives {
		account, gap := f.Jobs.Value[of.Name].Account, f.Jobs.Gap
		if s.Topic != "" {
			account, gap = f.Subscriptions.Value[s.Topic+"-"+of.Name].Account, f.Subscriptions.Gap
		}
		if gap != nil {
			return nil, gap
		}
		if account != "" {
			accounts = append(accounts, account)
		}
	}
	slices.Sort(accounts)
	return slices.Compact(accounts), nil
}
