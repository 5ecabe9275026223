import { useQuery } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { CommandLines, SettingsHeading } from '../frame.tsx'
import { CheckList, Facts } from './facts.tsx'

const ability = (isolates: boolean, runsImages: boolean): string =>
  [isolates ? 'keeps agents apart from the machine' : 'isolates nothing', runsImages ? 'runs container images' : '']
    .filter((text) => text !== '')
    .join(', ')

/** Whether runbooks can be carried out here, and what their sandbox lacks. */
const SandboxPage = () => {
  const read = useQuery({
    queryKey: ['sandbox'],
    queryFn: ({ signal }) => api.getSandbox({ signal }),
    staleTime: 60_000,
  })
  const sandbox = read.data
  return (
    <>
      <SettingsHeading
        title="Sandbox"
        actions={
          <Button icon="again" disabled={read.isFetching} onClick={() => void read.refetch()}>
            Try again
          </Button>
        }
      >
        Runbooks let a coding agent work in a sandbox, which has no way out but the gateway of the server. The server
        has tried to make one.
      </SettingsHeading>
      {read.error && <Problem error={read.error} onRetry={() => void read.refetch()} />}
      {read.isPending && <p className="text-muted">Making a sandbox, which takes a moment…</p>}
      {sandbox && (
        <>
          {sandbox.check ? (
            <CheckList label="Sandbox" checks={[sandbox.check]} />
          ) : (
            <p>This process executes no runbooks: ask a worker of this installation, with jetty doctor.</p>
          )}
          {sandbox.tools.length > 0 && (
            <section aria-labelledby="tools" className="flex flex-col gap-2">
              <h2 id="tools" className="font-semibold text-15">
                Programs in it
              </h2>
              <Facts rows={sandbox.tools.map(({ name, version }) => [name, version ?? 'missing'])} />
            </section>
          )}
          <section aria-labelledby="kinds" className="flex flex-col gap-2">
            <h2 id="kinds" className="font-semibold text-15">
              Kinds
            </h2>
            <ul>
              {sandbox.kinds.map(({ name, isolates, runs_images: runsImages }) => (
                <li key={name} className="flex gap-x-3 py-0.5">
                  <span className={`w-24 shrink-0 ${name === sandbox.kind ? 'font-medium' : ''}`}>{name}</span>
                  <span className="text-muted">
                    {ability(isolates, runsImages)}
                    {name === sandbox.kind && ' · in use'}
                  </span>
                </li>
              ))}
            </ul>
            <p className="text-muted">JETTY_SANDBOX chooses the kind, at the next start.</p>
          </section>
        </>
      )}
      <CommandLines lines={['jetty doctor', 'jetty api getSandbox']} />
    </>
  )
}

export default SandboxPage
