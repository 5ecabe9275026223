// A recorded run once more, with nobody asked: what went in and what came out are the same, byte for byte.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type FakeReplicate, startFakeReplicate } from '../../fakes/replicate.ts'
import { wrongTotals } from '../../kept-totals.ts'
import { testMedia } from '../../media.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const hookSecret = 'hook-unmistakable-replay-71c3fd02'

let openai: FakeOpenAi
let replicate: FakeReplicate
let hooks: Server
let hooked = 0
let jetty: TestServer
let hookUrl = ''
beforeAll(async () => {
  ;[openai, replicate] = await Promise.all([startFakeOpenAi(), startFakeReplicate()])
  hooks = createServer((request, response) => {
    hooked++
    request.resume()
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ received: hooked, 2: 'b', 1: 'a' }))
  })
  await new Promise<void>((resolve) => hooks.listen(0, '127.0.0.1', resolve))
  const { port } = hooks.address() as AddressInfo
  hookUrl = `http://127.0.0.1:${port}/hook`
  jetty = await startTestServer({
    env: {
      OPENAI_BASE_URL: openai.url,
      REPLICATE_BASE_URL: replicate.url,
      JETTY_ALLOW_PRIVATE_NETWORK: `127.0.0.1:${port}`,
    },
  })
  openai.say((body) =>
    JSON.stringify(body.messages).includes('score') ? '{"score": 8, "explanation": "Ok."}' : 'Tea\nis “hot”.',
  )
  replicate.predicts({ output: replicate.file(testMedia.png, 'image/png') })
})
beforeEach(() => {
  openai.asked.length = 0
  replicate.asked.length = 0
  hooked = 0
})
afterAll(async () => {
  await jetty?.close()
  hooks?.close()
  await Promise.all([openai?.close(), replicate?.close()])
})

const keys = (values: Record<string, string | null>) =>
  jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: values })
const withKeys = () =>
  keys({ OPENAI_API_KEY: 'sk-unmistakable-replay-5520ab', REPLICATE_API_TOKEN: 'r8_unmistakable_replay_8841' })
const withoutKeys = () => keys({ OPENAI_API_KEY: null, REPLICATE_API_TOKEN: null })

const eight = (prompt = 'Write a line about {{topic.outputs.text}}.') => ({
  init_params: { subject: 'tea', hook: hookUrl },
  step_configs: {
    topic: { activity: 'text_template', template: 'green {{subject}}', subject_path: 'init_params.subject' },
    draft: { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt },
    parts: { activity: 'text_split', text_path: 'draft.outputs.text', chunk_size: 5, overlap: 0 },
    verdict: {
      activity: 'simple_judge',
      item_path: 'draft.outputs.text',
      instruction: 'Give a score.',
      score_range: [1, 10],
    },
    picture: { activity: 'replicate_text2image', prompt_path: 'draft.outputs.text' },
    tell: {
      activity: 'webhook_notify',
      url_path: 'init_params.hook',
      payload_path: { token: 'env.HOOK_TOKEN', text: 'draft.outputs.text' },
    },
    note: { activity: 'save_text_file', content_path: 'draft.outputs.text', filename: 'note.md' },
    all: { activity: 'text_concatenate', texts: ['draft.outputs.text', 'topic.outputs.text'] },
  },
  steps: ['topic', 'draft', 'parts', 'verdict', 'picture', 'tell', 'note', 'all'],
})

const rows = async (id: string): Promise<Body[]> =>
  jetty.server.database.query(
    `select s.seq, s.name, s.status, coalesce(s.inputs, i.body) inputs, coalesce(s.outputs, o.body) outputs, s.origin
     from steps s join runs r on r.id = s.run_id left join payloads i on i.id = s.inputs_payload
       left join payloads o on o.id = s.outputs_payload
     where r.trajectory_id = $1 order by s.seq`,
    [id],
  )
const recorded = (all: Body[]) =>
  all.map(({ seq, name, status, inputs, outputs }) => [seq, name, status, inputs, outputs])

const rerun = (task: string, id: string, body: unknown, headers = {}) =>
  fetch(`${jetty.url}/api/v1/trajectory/acme/${task}/${id}/rerun`, {
    method: 'POST',
    headers: { authorization: `Bearer ${jetty.server.adminToken}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  }).then(async (response) => ({ status: response.status, body: (await response.json()) as Body }))

const replay = async (task: string, id: string, more = {}): Promise<Body> => {
  const answer = await rerun(task, id, { mode: 'replay', ...more })
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return jetty.until(task, answer.body.trajectory_id, (run) => run.ended !== null)
}
const askedOfAll = () => openai.asked.length + replicate.asked.length + hooked

let source: Body
let task: string
beforeAll(async () => {
  await withKeys()
  source = await jetty.run(eight(), { secret_params: { HOOK_TOKEN: hookSecret } })
  task = source.task
  expect([source.status, source.error]).toEqual(['completed', null])
  await withoutKeys()
})

describe('a replay', () => {
  it('asks nobody, needs no key, and is the recording, byte for byte', async () => {
    const run = await replay(task, source.trajectory_id)
    expect([run.status, run.error]).toEqual(['completed', null])
    expect(askedOfAll()).toBe(0)
    const [then, now] = await Promise.all([rows(source.trajectory_id), rows(run.trajectory_id)])
    expect(recorded(now)).toEqual(recorded(then))
    expect(run.attributes.params.replay).toEqual({
      of: source.trajectory_id,
      task: `acme/${task}`,
      version: 'same',
      divergence: null,
    })
    expect(run.init_params).toEqual(source.init_params)
    expect(JSON.stringify(now)).not.toContain(hookSecret)
  })

  it('says of each step that was not executed where its result comes from; pure ones were executed', async () => {
    const run = await replay(task, source.trajectory_id)
    const taken = Object.values<Body>(run.steps).filter(({ origin }) => origin.kind === 'replay')
    expect(taken.map(({ key }) => key)).toEqual(['draft', 'verdict', 'picture', 'tell', 'note'])
    expect(run.steps.draft.origin).toMatchObject({
      trajectory_id: source.trajectory_id,
      task: `acme/${task}`,
      step: 'draft',
    })
  })

  it('costs nothing, and counts in no statistics of steps', async () => {
    const query = (text: string) => jetty.server.database.query<Body>(text)
    const counted = () =>
      query(`select json_build_array((select sum(usd) from spending), (select sum(tokens) from spending),
        (select sum(usd) from run_spending), (select sum(total) from step_totals where step in ('draft', 'tell')))::text what`)
    const before = await counted()
    await replay(task, source.trajectory_id)
    expect(await counted()).toEqual(before)
    expect(await wrongTotals(query)).toEqual([])
  })

  it('keeps the files of the recording, and makes none', async () => {
    const run = await replay(task, source.trajectory_id)
    const { path } = run.steps.picture.outputs.images[0]
    expect(path).toBe(source.steps.picture.outputs.images[0].path)
    const file = await fetch(`${jetty.url}/api/v1/file/${path}`, {
      headers: { authorization: `Bearer ${jetty.server.adminToken}` },
    })
    expect(Buffer.from(await file.arrayBuffer())).toEqual(testMedia.png)
    const made = await jetty.server.database.query(
      'select from files f join runs r on r.id = f.run_id where r.trajectory_id = $1',
      [run.trajectory_id],
    )
    expect(made).toEqual([])
  })

  it('that one process accepts is executed by another', async () => {
    const other = await startTestServer({ beside: jetty, env: { JETTY_ROLE: 'api' } })
    try {
      const path = `/api/v1/trajectory/acme/${task}/${source.trajectory_id}/rerun`
      const answer = await other.call('POST', path, { mode: 'replay' }, jetty.server.adminToken)
      const run = await jetty.until(task, answer.body.trajectory_id, (one) => one.ended !== null)
      expect(recorded(await rows(run.trajectory_id))).toEqual(recorded(await rows(source.trajectory_id)))
      expect(askedOfAll()).toBe(0)
    } finally {
      await other.close()
    }
  })

  it('of a replay is one as well', async () => {
    const first = await replay(task, source.trajectory_id)
    const second = await replay(task, first.trajectory_id)
    expect(recorded(await rows(second.trajectory_id))).toEqual(recorded(await rows(source.trajectory_id)))
    expect(askedOfAll()).toBe(0)
  })
})

describe('what diverges', () => {
  const change = (workflow: unknown) => jetty.call('PUT', `/api/v1/tasks/acme/${task}`, { workflow })

  it('is a changed prompt, at the step that has it, with the difference; nobody is asked', async () => {
    await change(eight('Write a long line about {{topic.outputs.text}}.'))
    const run = await replay(task, source.trajectory_id, { version: 'current' })
    expect(run.status).toBe('failed')
    expect(run.error).toContain("Step 'draft' failed: The replay diverged: parameter 'prompt' differs from run")
    expect(Object.keys(run.steps)).toEqual(['topic', 'draft'])
    const { divergence } = run.attributes.params.replay
    expect(divergence).toMatchObject({
      step: 'draft',
      in: 'inputs',
      path: 'prompt',
      recorded: '"Write a line about green tea."',
      replayed: '"Write a long line about green tea."',
    })
    expect(divergence.diff.split('\n').slice(3)).toEqual([
      '-Write a line about green tea.',
      '+Write a long line about green tea.',
      '',
    ])
    expect(run.steps.draft.error_detail).toMatchObject({ code: 'replay_diverged', divergence })
    expect(askedOfAll()).toBe(0)
  })

  it('is found with other parameters as well, at the first step that sees them', async () => {
    await change(eight())
    const run = await replay(task, source.trajectory_id, { init_params: { subject: 'mint' } })
    expect(run.attributes.params.replay.divergence).toMatchObject({ step: 'topic', in: 'inputs', path: 'subject' })
    expect(run.error).toContain("Step 'draft' failed")
    const { body } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}`)
    expect(body.events.filter((event: Body) => event.type === 'divergence')).toMatchObject([
      { step: 'topic', level: 'warning' },
    ])
  })

  it('is what a pure step makes of the same, though the replay goes on', async () => {
    const workflow = eight()
    workflow.step_configs.all.texts.reverse()
    await change(workflow)
    const run = await replay(task, source.trajectory_id, { version: 'current' })
    expect(run.status).toBe('completed')
    expect(run.attributes.params.replay.divergence).toMatchObject({ step: 'all', in: 'inputs', path: 'texts[0]' })
  })

  it('is a step that is new, or gone, or in another place', async () => {
    const shorter = eight()
    shorter.steps.pop()
    await change(shorter)
    const ended = await replay(task, source.trajectory_id, { version: 'current' })
    expect([ended.status, ended.attributes.params.replay.divergence]).toMatchObject([
      'completed',
      { step: 'note', in: 'end' },
    ])

    const moved = eight()
    moved.steps = ['topic', 'draft', 'verdict', 'parts', 'picture', 'tell', 'note', 'all']
    await change(moved)
    const other = await replay(task, source.trajectory_id, { version: 'current' })
    expect([other.status, other.attributes.params.replay.divergence]).toMatchObject([
      'completed',
      { step: 'verdict', in: 'step' },
    ])

    const longer = eight()
    Object.assign(longer.step_configs, { more: { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'More.' } })
    longer.steps.splice(2, 0, 'more')
    await change(longer)
    const stopped = await replay(task, source.trajectory_id, { version: 'current' })
    expect(stopped.error).toContain(`Step 'more' failed: The replay diverged: step 'more' was not executed in run`)
    expect(askedOfAll()).toBe(0)
    await change(eight())
  })
})

describe('recordings of all kinds', () => {
  it('a recorded failure is replayed as the same failure', async () => {
    await withKeys()
    openai.script({ status: 400, body: { error: { message: 'no such thing', type: 'invalid_request_error' } } })
    const failed = await jetty.run(eight(), { secret_params: { HOOK_TOKEN: hookSecret } })
    await withoutKeys()
    expect(failed.status).toBe('failed')
    openai.asked.length = 0
    const run = await replay(failed.task, failed.trajectory_id)
    expect([run.status, run.error]).toEqual(['failed', failed.error])
    expect(run.steps.draft.error_detail).toEqual(failed.steps.draft.error_detail)
    expect(run.attributes.params.replay.divergence).toBeNull()
    expect(openai.asked).toEqual([])
  })

  it('large values are compared and taken whole', async () => {
    await withKeys()
    const long = 'x'.repeat(100_000)
    openai.say(() => `${long}y`)
    const large = await jetty.run(eight('Say {{init_params.long}} of {{topic.outputs.text}}'), {
      init_params: { long },
      secret_params: { HOOK_TOKEN: hookSecret },
    })
    await withoutKeys()
    openai.asked.length = 0
    const run = await replay(large.task, large.trajectory_id)
    expect(recorded(await rows(run.trajectory_id))).toEqual(recorded(await rows(large.trajectory_id)))
    expect(openai.asked).toEqual([])
  })

  it('a run that has not ended has no recording yet; a step to begin with has no place in a replay', async () => {
    const name = await jetty.task({
      init_params: {},
      step_configs: { wait: { activity: 'sleep', seconds: 600 } },
      steps: ['wait'],
    })
    const open = await jetty.start(name)
    const answer = await rerun(name, open.trajectory_id, { mode: 'replay' })
    expect([answer.status, answer.body.detail]).toEqual([409, expect.stringContaining('has not ended')])
    await jetty.call('POST', `/api/v1/trajectory/acme/${name}/statuses`, { [open.trajectory_id]: 'cancelled' })
    const from = await rerun(task, source.trajectory_id, { mode: 'replay', from_step: 'draft' })
    expect([from.status, from.body.detail[0].loc]).toEqual([422, ['body', 'from_step']])
  })

  it('a run that was cut off is replayed up to there', async () => {
    const name = await jetty.task({
      init_params: {},
      step_configs: { say: { activity: 'text_echo', text: 'a' }, wait: { activity: 'sleep', seconds: 600 } },
      steps: ['say', 'wait'],
    })
    const open = await jetty.start(name)
    await jetty.until(name, open.trajectory_id, (run) => run.steps.wait !== undefined)
    await jetty.call('POST', `/api/v1/trajectory/acme/${name}/statuses`, { [open.trajectory_id]: 'cancelled' })
    await jetty.until(name, open.trajectory_id, ({ ended }) => ended !== null)
    const run = await replay(name, open.trajectory_id)
    expect(run.error).toContain(`step 'wait' has no result in run ${open.trajectory_id}: it is cancelled`)
    expect(run.attributes.params.replay.divergence).toMatchObject({ step: 'wait' })
  })

  it('sleeps are not slept again', async () => {
    const slept = await jetty.run({
      init_params: { seconds: 0 },
      step_configs: { wait: { activity: 'sleep', seconds_path: 'init_params.seconds' } },
      steps: ['wait'],
    })
    // The recording of a long sleep, without having slept it.
    await jetty.server.database.query(
      `with run as (update runs set init_params = $2 where trajectory_id = $1 returning id)
       update steps s set inputs = $2, outputs = $2 from run where s.run_id = run.id`,
      [slept.trajectory_id, '{"seconds":600}'],
    )
    const run = await replay(slept.task, slept.trajectory_id)
    expect([run.status, run.init_params]).toEqual(['completed', { seconds: 600 }])
    expect(recorded(await rows(run.trajectory_id))).toEqual(recorded(await rows(slept.trajectory_id)))
  })
})
