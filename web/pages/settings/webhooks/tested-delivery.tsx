import type { api } from '../../../data/api.ts'
import { Icon } from '../../../ui/icon.tsx'

type Tested = Awaited<ReturnType<typeof api.testWebhook>>

/** What the receiver answered to a test, and what was sent. */
export const TestedDelivery = ({ result }: { result: Tested }) => {
  const isDelivered = result.status === 'delivered'
  return (
    <section aria-label="Result of the test" className="flex flex-col gap-2">
      <p role="status" className="flex items-start gap-1.5">
        <Icon name={isDelivered ? 'tick' : 'cross'} className={`mt-0.5 ${isDelivered ? 'text-ok' : 'text-bad'}`} />
        <span>
          {isDelivered ? `Delivered: the receiver answered ${result.status_code}` : `Failed: ${result.error}`}
          <span className="text-muted"> · {result.duration_ms} ms</span>
        </span>
      </p>
      <details>
        <summary className="text-muted">What was sent</summary>
        <pre className="mt-1 overflow-x-auto rounded-m bg-sunk p-3 font-mono text-12">
          {Object.entries(result.sent.headers)
            .map(([name, value]) => `${name}: ${value}`)
            .join('\n')}
          {`\n\n${result.sent.body}`}
        </pre>
      </details>
    </section>
  )
}
