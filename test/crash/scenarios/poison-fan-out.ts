import { pause } from '../../../src/lib/time.ts'
import { check, runsOf } from '../harness/checker.ts'
import { collection, makeClient } from '../harness/client.ts'
import { fanTask } from '../harness/fan.ts'
import { chain } from '../harness/pure.ts'
import { seeded } from '../harness/random.ts'
import { makeSite } from '../harness/site.ts'
import { openRuns, starts, tell } from '../harness/storm.ts'

const longest = 480_000

/**
 * One of the runs that a step has started takes the process with it: it alone fails, after ten deaths; the others
 * complete, and so does the parent, which is not blamed for what it waits for.
 */
export const poisonFanOut = async ({ children }: { children: number }): Promise<string[]> => {
  const name = 'poison in a fan-out'
  const site = makeSite()
  const client = makeClient()
  const faults: string[] = []
  try {
    let server = site.spawn()
    const url = await server.ready
    const mild = { from: 100, to: 300 }
    const fan = (leaf: string) => ({
      activity: 'list_emit_await',
      items_path: `init_params.${leaf}`,
      spread_items: true,
      child_workflow_name: leaf,
      max_concurrency: 4,
      continue_on_error: true,
    })
    await client.setUp(url, {
      leaf: chain(3, mild),
      poison: chain(1, { ...mild, activities: { 0: 'abort' } }),
      [fanTask]: {
        init_params: { items: [], leaf: [], poison: [] },
        execution: 'parallel',
        step_configs: { leaves: fan('leaf'), poisonous: fan('poison') },
        steps: ['leaves', 'poisonous'],
      },
    })
    const random = seeded(name)
    const items = starts(random, children).map((start) => ({ start }))
    const { body } = await client.call(url, 'POST', `/run/${collection}/${fanTask}`, {
      init_params: { leaf: items, poison: items.slice(0, 1) },
    })
    const lost = new Set<number>()
    const begun = Date.now()
    while ((await openRuns(site)) > 0 && Date.now() - begun < longest) {
      if (!server.alive) {
        const { signal } = await server.exited
        if (signal !== 'SIGABRT') faults.push(`a server ended by ${signal}`)
        lost.add(server.pid)
        server = site.spawn()
      }
      await pause(50)
    }
    const report = await check(site, {
      acked: client.acked,
      lengths: { leaf: 3, poison: 1 },
      lost,
      statusOf: (run) => (run.task === 'poison' ? 'failed' : undefined),
    })
    const poisonous = (await runsOf(site)).find((run) => run.task === 'poison')
    const answer = await client.call(
      await server.ready,
      'GET',
      `/db/trajectory/${collection}/${fanTask}/${body.trajectory_id}`,
    )
    const { status, error, steps } = answer.body
    tell(name, report, { deaths: lost.size, seconds: (Date.now() - begun) / 1000, error: poisonous?.error })
    if (!/process died 10 times at step 's0'/.test(poisonous?.error ?? '')) faults.push(`unclear: ${poisonous?.error}`)
    if (lost.size < 10 || lost.size > 12) faults.push(`${lost.size} deaths until it failed`)
    if (status !== 'completed') faults.push(`the parent is ${status}: ${error}`)
    const { completed, failed } = steps?.leaves?.outputs ?? {}
    if (completed !== children || failed !== 0) faults.push(`${completed} of ${children} others completed`)
    if (steps?.poisonous?.outputs?.failed !== 1) faults.push('the step does not say that one has failed')
    return [...faults, ...report.violations]
  } finally {
    await site.close()
  }
}
