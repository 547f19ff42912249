package kafka

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// producer is a client and the topics that it knows. A client counts the messages
// of each partition from 0, under an ID of its own. Were it to forget a topic, it
// would begin at 0 again under the same ID, and brokers would take what comes for
// a repetition: they would acknowledge it and drop it. So a client knows its topics
// for good, and to forget one is to begin anew with another client.
type producer struct {
	client *kgo.Client
	topics *topics
}

func newProducer(c config, said *said) (*producer, error) {
	p := &producer{topics: newTopics(c)}
	client, err := kgo.NewClient(append(slices.Clip(c.options),
		kgo.ClientID("rowhouse"),
		kgo.WithLogger(said),
		kgo.WithHooks(said),
		kgo.DisableClientMetrics(),
		kgo.DialTimeout(dialTimeout),
		kgo.RequestTimeoutOverhead(produceTimeout),
		kgo.ProduceRequestTimeout(produceTimeout),
		kgo.RetryBackoffFn(backoff),
		kgo.MetadataMinAge(metadataPause),

		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // murmur2, as the Java client
		kgo.MaxBufferedBytes(bufferedBytes),
		kgo.ProducerBatchMaxBytesFn(p.topics.limit),
		// When Publish gives up it keeps nothing: that it would not be stored
		// twice after that matters less, because it is published again anyway.
		kgo.AllowIdempotentProduceCancellation(),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	p.client, p.topics.client = client, client
	return p, nil
}
