// Definitions that take long to check: the server goes on answering others, and says which step it was.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startWatchedJetty, type WatchedJetty } from '../../watched-jetty.ts'

/** A check of each is far below; what is refused here took seconds. */
const mostCpuMs = 300

let jetty: WatchedJetty
let reader: string
beforeAll(async () => {
  jetty = await startWatchedJetty(100, { JETTY_CHECK_SECONDS: '5' })
  reader = await jetty.key('READ', 'acme')
})
afterAll(() => jetty?.close())

const validate = async (workflow: object | string) => {
  await jetty.takeBlocks()
  const text = typeof workflow === 'string' ? workflow : JSON.stringify(workflow)
  const sent = `{"name":"hostile","workflow":${text}}`
  const { status, body } = await jetty.call('POST', '/api/v1/tasks/acme/validate', sent, reader)
  return { status, body, blocks: (await jetty.takeBlocks()).filter(({ cpu_ms }) => cpu_ms > mostCpuMs) }
}
const numbered = <T>(count: number, make: (at: number) => T) => Array.from({ length: count }, (_, at) => make(at))
const steps = (configs: object[]) => {
  const named = configs.map((config, at) => [`s${at}`, config] as const)
  return { step_configs: Object.fromEntries(named), steps: named.map(([name]) => name) }
}

/** Reading it takes the square of its length. */
const slowExpression = (at: number) => `${'a@$b.'.repeat(3_330)}c${at}`

describe('expressions', () => {
  it('are read in a process, with one bound of time for all of them', async () => {
    const { status, body, blocks } = await validate(
      steps(numbered(60, (at) => ({ activity: 'transform', input: {}, expression: slowExpression(at) }))),
    )
    expect(blocks).toEqual([])
    expect([status, body.valid]).toEqual([200, true])
    expect(body.faults.at(-1)).toMatchObject({
      severity: 'warning',
      step: 's59',
      pointer: '/step_configs/s59/expression',
      message: expect.stringMatching(/^Step 's59': parameter 'expression' was not checked: .* longer than 5 s$/),
    })
  })
})

describe('names that are nearly right', () => {
  it('are looked for in bounded time', async () => {
    const params = Object.fromEntries(numbered(15_000, (at) => [`a_rather_long_parameter_name_${at}`, at]))
    const { body, blocks } = await validate({
      init_params: params,
      ...steps(
        numbered(20_000, (at) => ({
          activity: 'text_echo',
          text_path: `init_params.a_rather_long_parameter_nam_${at}x`,
        })),
      ),
    })
    expect(blocks).toEqual([])
    expect(body.faults.length).toBeGreaterThan(10)
  })

  it('of tasks that are not there, too', async () => {
    const { body, blocks } = await validate(
      steps(numbered(20_000, (at) => ({ activity: 'run_workflow', workflow_name: `${'n'.repeat(80)}${at}` }))),
    )
    expect(blocks).toEqual([])
    expect(body.faults.at(-1).message).toMatch(/^19900 more steps/)
  })
})

describe('a body with many values', () => {
  it('is refused before it is parsed', async () => {
    const members = numbered(1_000_000, (at) => `"m${at}":0`).join(',')
    const { status, body, blocks } = await validate(`{${members},"steps":[]}`)
    expect(blocks).toEqual([])
    expect([status, body.detail]).toEqual([413, 'The body has more than 100000 members, lists and objects'])
  })

  it('is checked piece by piece below that', async () => {
    const members = Object.fromEntries(numbered(90_000, (at) => [`m${at}`, 0]))
    const { body, blocks } = await validate({ ...members, ...steps([{ activity: 'text_echo', text: 'x' }]) })
    expect(blocks).toEqual([])
    expect(body.faults.at(-1).message).toBe('There are 89800 more errors and 0 more warnings')
  })
})
