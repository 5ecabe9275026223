import { allPages } from '../all-pages.ts'
import { attempt, type CopyContext, orMissing } from './copy-context.ts'

type SourceRoutine = Awaited<ReturnType<CopyContext['source']['listRoutines']>>['routines'][number]

/** Creates a routine, paused: the source still fires it, and its secrets cannot be read. */
const copyRoutine = async ({ target, log }: CopyContext, collection: string, routine: SourceRoutine): Promise<void> => {
  const { name, task, cadence, init_params_overrides, webhook_url, overlap, catch_up } = routine
  const params = { collection, task }
  if (await orMissing(target.getRoutine({ params: { ...params, name } }))) return log.count('routines that were there')
  await target.createRoutine({
    params,
    body: { name, cadence, init_params_overrides, webhook_url, overlap, catch_up, paused: true },
  })
  log.count('routines created, paused')
  const secrets = [...(routine.secret_param_keys ?? []), ...(routine.has_webhook_secret ? ['its webhook secret'] : [])]
  if (secrets.length > 0)
    log.problem(
      `${collection}/${task}: routine ${name}`,
      `Values that cannot be read, set them here: ${secrets.join(', ')}`,
    )
}

/** Copies the routines of a collection. A server without routines has none. */
export const copyRoutines = async (context: CopyContext, collection: string): Promise<void> => {
  const listed = await orMissing(
    allPages(100, async (query) => (await context.source.listRoutines({ params: { collection }, query })).routines),
  )
  for (const routine of listed ?? []) {
    context.signal.throwIfAborted()
    const at = `${collection}/${routine.task}: routine ${routine.name}`
    await attempt(context, at, () => copyRoutine(context, collection, routine))
  }
}
