import { CopyLine } from '../ui/copy.tsx'
import { PageLink } from './page-link.tsx'

/** The variables with which a program's SDK sends its traces into a collection. Values of the headers are URL-encoded. */
const traceVariables = (origin: string, collection: string): string =>
  [
    `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=${origin}/v1/traces`,
    `OTEL_EXPORTER_OTLP_TRACES_HEADERS=Authorization=Bearer%20mlc_…,X-Jetty-Collection=${encodeURIComponent(collection)}`,
  ].join('\n')

/** Says how a program that exists already sends its traces here. */
export const TraceSetup = ({ collection }: { collection: string }) => (
  <section
    aria-labelledby="trace-setup"
    className="mx-auto flex w-full max-w-120 flex-col items-start gap-3 px-6 pb-12"
  >
    <h2 id="trace-setup" className="font-semibold text-15">
      Or record a program that exists already
    </h2>
    <p className="text-muted">
      A program that exports OpenTelemetry traces sends them here with two variables in its environment. Each trace
      becomes a run.
    </p>
    <div className="w-160 max-w-[min(100vw-5rem,50vw+11rem)]">
      <CopyLine text={traceVariables(window.location.origin, collection)} label="Copy the variables" />
    </div>
    <p className="text-muted">
      Write your key in the place of <code className="font-mono text-12">mlc_…</code>:{' '}
      <PageLink
        href={`/${encodeURIComponent(collection)}/-/settings/keys`}
        className="whitespace-nowrap text-accent underline"
      >
        keys of this collection
      </PageLink>
      .{' '}
      <PageLink href="/docs/traces" className="whitespace-nowrap text-accent underline">
        Which SDKs, and what a run shows
      </PageLink>
    </p>
  </section>
)
