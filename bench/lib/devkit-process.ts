// Workflow DevKit in a process of its own: its bundles behind an HTTP server, to which its queue delivers.
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { obey } from './children.ts'
import { closedLoop, type Load, oneByOne } from './closed-loop.ts'
import { devkitBundles } from './devkit.ts'

/** Longer than the queue keeps its connections: it may meet one that is being closed, and repeats the delivery much later. */
const keepAliveMs = 60_000
const app = process.env.BENCH_APP ?? ''

type Handler = (request: Request) => Promise<Response>

interface World {
  start(): Promise<void>
  events: { create(runId: string, event: { eventType: string }, ...rest: unknown[]): Promise<unknown> }
}

interface Manifest {
  workflows: { 'workflows/echo.ts': { echo: { workflowId: string } } }
}

const requestOf = async (incoming: IncomingMessage): Promise<Request> => {
  const parts: Buffer[] = []
  for await (const part of incoming) parts.push(part as Buffer)
  const headers = new Headers()
  for (const [name, value] of Object.entries(incoming.headers)) headers.set(name, String(value))
  return new Request(`http://localhost${incoming.url}`, { method: 'POST', headers, body: Buffer.concat(parts) })
}

/** Serves the two bundles of the app where its queue expects them. */
const serve = async (load: NodeJS.Require): Promise<void> => {
  let handlers: Record<string, Handler> = {}
  const server = createServer(async (incoming, outgoing) => {
    const answer = await handlers[(incoming.url ?? '').split('/').at(-1) ?? '']?.(await requestOf(incoming))
    outgoing.writeHead(answer?.status ?? 404, Object.fromEntries(answer?.headers ?? []))
    outgoing.end(Buffer.from(answer ? await answer.arrayBuffer() : new ArrayBuffer(0)))
  }).listen(0, '127.0.0.1')
  server.keepAliveTimeout = keepAliveMs
  await once(server, 'listening')
  process.env.PORT = String((server.address() as AddressInfo).port) // the bundles read it when they are loaded
  const bundle = (name: string) => (load(join(app, devkitBundles, name)) as { POST: Handler }).POST
  handlers = { flow: bundle('flow.js'), step: bundle('step.js') }
}

/** Resolves once the end of a run is committed. `returnValue`, the documented way, looks only once a second. */
const watchRuns = ({ events }: World): ((id: string) => Promise<void>) => {
  const runs = new Map<string, { ended: Promise<string>; end(type: string): void }>()
  const runOf = (id: string) => {
    let end: (type: string) => void = () => {}
    const ended = new Promise<string>((resolve) => {
      end = resolve
    })
    const run = runs.get(id) ?? { ended, end }
    runs.set(id, run)
    return run
  }
  const create = events.create.bind(events)
  events.create = async (id, event, ...rest) => {
    const created = await create(id, event, ...rest)
    if (['run_completed', 'run_failed'].includes(event.eventType)) runOf(id).end(event.eventType)
    return created
  }
  return async (id) => {
    const type = await runOf(id).ended
    runs.delete(id)
    if (type !== 'run_completed') throw new Error(`${id}: ${type}`)
  }
}

await obey(async () => {
  process.chdir(app)
  const load = createRequire(join(app, 'index.js'))
  await serve(load)
  const { start } = (await import(load.resolve('workflow/api'))) as {
    start(workflow: { workflowId: string }, args: unknown[]): Promise<{ runId: string }>
  }
  const { getWorld } = (await import(load.resolve('workflow/runtime'))) as { getWorld(): World }
  const ended = watchRuns(getWorld())
  await getWorld().start()
  const { workflows } = load(join(app, devkitBundles, 'manifest.json')) as Manifest
  const workflow = workflows['workflows/echo.ts'].echo
  const runOnce = async (steps: number) => {
    const { runId } = await start(workflow, ['hello', steps])
    await ended(runId)
  }
  return {
    throughput: ({ steps, ...rest }: Load & { steps: number }) => closedLoop(rest, () => runOnce(steps)),
    latency: ({ steps, count }: { steps: number; count: number }) => oneByOne(count, () => runOnce(steps)),
  }
})
