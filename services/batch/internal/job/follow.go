package job

import (
	"context"
	"time"

	"github.com/headgate-mesh/headgate/services/batch/internal/result"
)

const (
	// unknownTimes in a row, over unknownFor, are believed: a provider that has lost a job for a moment has it again then.
	unknownTimes = 3
	unknownFor   = 5 * time.Minute
	// endsWithin is how long a provider may take to end a job that is to stop, and silentFor, how long nobody need answer
	// then, or give the results.
	endsWithin = time.Hour
	silentFor  = 24 * time.Hour
)

// follow asks how the job stands, when it is time.
func (k *carriage) follow(ctx context.Context) error {
	if err := k.lighten(ctx); err != nil {
		return err
	}
	if !k.wait(ctx, k.polls.step()) {
		return nil
	}
	stopped, err := k.notice(ctx)
	if err != nil {
		return err
	}
	if stopped {
		if err := k.Providers.Cancel(ctx, k.job.Reference); err != nil {
			k.log.Warn("a job can't be cancelled now; trying again", reason(err)...)
		}
	}
	standing, err := k.Providers.Get(ctx, k.job.Reference)
	if err != nil && ctx.Err() == nil {
		k.log.Warn("a job can't be asked about now; trying again", reason(err)...)
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil && standing == Ended:
		return k.collect(ctx)
	case err == nil && standing == Refused:
		return k.refuse()
	case k.gone(standing, err) || (stopped && k.hopeless(err)):
		return k.lose(ctx)
	}
	return nil
}

// gone counts how often in a row the provider says that it doesn't know the job, and reports whether to believe it.
func (k *carriage) gone(s Standing, err error) bool {
	switch {
	case err != nil:
		return false
	case s != Unknown:
		k.unknown = 0
		return false
	case k.unknown == 0:
		k.unknownSince = k.Clock()
	}
	k.unknown++
	return k.unknown >= unknownTimes && k.Clock().Sub(k.unknownSince) >= unknownFor
}

// hopeless reports whether a job that is to stop has had its time: less where the provider answers, that it isn't over.
func (k *carriage) hopeless(err error) bool {
	bound := endsWithin
	if err != nil {
		bound = silentFor
	}
	return k.Clock().Sub(k.since) >= bound
}

// lose ends the lines that have no result, and that nobody will get one for. They may have been charged, and aren't asked
// again; for the same reason what is reserved for them isn't given back, and stays spent until it runs out.
func (k *carriage) lose(ctx context.Context) error {
	k.log.Error("a job is lost at its provider")
	return k.giveUp(ctx, result.LostAtProvider,
		"the provider's batch with this line is gone or doesn't end; the line may have been answered and charged, and wasn't asked again")
}
