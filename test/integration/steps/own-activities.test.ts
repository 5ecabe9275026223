// Activities of JETTY_ACTIVITIES_DIR: modules in a folder without any package, loaded at the start of a server.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadOwnActivities } from '../../../src/activities/own/load-own-activities.ts'
import { builtinActivities } from '../../../src/activities/registry.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const module = (body: string) => `import { activity, ActivityError, z } from 'jetty-server/activity'\n${body}`

const wordCount = module(`import { separator } from './lib/separator.mjs'
export default activity({
  name: 'text.count_words',
  description: 'Counts the words of a text.',
  parameters: z.object({ text: z.string().describe('Text to count.'), least: z.int().default(0).describe('Fewest words.') }),
  outputs: z.object({ words: z.int().describe('Number of words.'), where: z.string().describe('Run and step.') }),
  async run({ text, least }, { run, step, log }) {
    const words = text.split(separator).filter(Boolean).length
    if (words < least) throw new ActivityError('Only ' + words + ' words', { hint: 'Send a longer text.' })
    log('Counted ' + words, words === 0 ? 'warning' : 'info')
    return { words, where: run.collection + '/' + step.name }
  },
})`)

const more =
  module(`const base = { description: 'Does one thing.', parameters: z.object({ path: z.string().optional().describe('File.') }) }
export const copyFile = activity({
  ...base,
  name: 'shout_file',
  category: 'files',
  outputs: z.object({ path: z.string().describe('The new file.') }),
  async run({ path }, { files }) {
    const text = Buffer.from(await (await files.open(path)).bytes()).toString()
    return { path: (await files.save({ name: 'loud.txt', content_type: 'text/plain', body: text.toUpperCase() })).path }
  },
})
export const lie = activity({
  ...base,
  name: 'lie',
  outputs: z.object({ count: z.int().describe('A number.') }),
  run: async () => ({ count: 'many' }),
})`)

let folder: string
let jetty: TestServer
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-own-'))
  mkdirSync(join(folder, 'lib'))
  writeFileSync(join(folder, 'lib/separator.mjs'), 'export const separator = /\\s+/')
  writeFileSync(join(folder, 'count-words.mjs'), wordCount)
  writeFileSync(join(folder, 'more.js'), more)
  writeFileSync(join(folder, 'README.md'), 'no module')
  jetty = await startTestServer({ env: { JETTY_ACTIVITIES_DIR: folder } })
})
afterAll(async () => {
  await jetty?.close()
  rmSync(folder, { recursive: true, force: true })
})

const step = (config: Record<string, unknown>) => ({ step_configs: { own: config }, steps: ['own'] })

describe('an activity of a module', () => {
  it('executes as a step, with its defaults', async () => {
    const run = await jetty.run(step({ activity: 'text.count_words', text: ' one two  three ' }))
    expect(run.trajectory.steps.own.outputs).toEqual({ words: 3, where: 'acme/own' })
    expect(run.trajectory.steps.own.logs).toMatchObject([{ level: 'info', type: 'log', message: 'Counted 3' }])
  })

  it('fails with its own message and hint', async () => {
    const run = await jetty.run(step({ activity: 'text.count_words', text: 'one', least: 2 }))
    expect(run.trajectory.steps.own).toMatchObject({
      status: 'failed',
      error: 'Only 1 words',
      error_detail: { code: 'activity_failed', hint: 'Send a longer text.' },
    })
  })

  it('reads and writes files of the collection', async () => {
    const workflow = step({ activity: 'shout_file', path_path: 'init_params.file_paths[0]' })
    const { trajectory } = await jetty.run(workflow, {}, { 'quiet.txt': 'hello' })
    const file = await jetty.call('GET', `/api/v1/file/${trajectory.steps.own.outputs.path}`)
    expect(file.body).toBe('HELLO')
  })

  it('fails when its outputs are not those that it declares', async () => {
    const { trajectory } = await jetty.run(step({ activity: 'lie' }))
    expect(trajectory.steps.own.error).toContain('outputs.count: Invalid input: expected number')
  })

  it('is validated in a workflow', async () => {
    const workflow = step({ activity: 'text.count_words', text: 7, leest: 1 })
    const { body } = await jetty.call('POST', '/api/v1/workflows/check', { collection: 'acme', workflow })
    expect(JSON.stringify(body)).toContain('leest')
  })

  it('is in the catalogue with its module, and in the documentation', async () => {
    const { body } = await jetty.call('GET', '/api/v1/step-templates/text.count_words')
    expect(body).toMatchObject({
      category: 'own',
      module: 'count-words.mjs',
      example: { activity: 'text.count_words' },
    })
    const found = await jetty.call('GET', '/api/v1/docs/search?q=text.count_words')
    expect(found.body.matches[0].page).toBe('reference/own-activities')
    const page = await jetty.call('GET', `/docs/${found.body.matches[0].page}.md`)
    expect(page.body).toContain('## text.count_words')
    expect((await jetty.call('GET', '/api/v1/step-templates/text_echo')).body.module).toBeUndefined()
  })
})

describe('a folder that cannot be used', () => {
  const refusal = async (files: Record<string, string>, mode = 0o644): Promise<string> => {
    const place = mkdtempSync(join(tmpdir(), 'jetty-own-bad-'))
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(place, name), text)
      chmodSync(join(place, name), mode)
    }
    try {
      return await loadOwnActivities(place, builtinActivities).then(
        (all) => `loaded ${all.length}`,
        (error) => error.message,
      )
    } finally {
      rmSync(place, { recursive: true })
    }
  }
  const named = (name: string) => wordCount.replace(/import \{ separator.*\n/, '').replace('text.count_words', name)

  it('names every problem of every file', async () => {
    const message = await refusal({
      'a.mjs': named('text_echo'),
      'b.mjs': named('twice'),
      'c.mjs': named('twice'),
      'd.mjs': 'export default {',
      'e.mjs': 'export const x = 1',
      'f.mjs': "import 'no-such-package'",
      'g.mjs': "import { nothing } from 'jetty-server/activity'",
    })
    expect(message).toContain("a.mjs: 'text_echo' is the name of a built-in activity; choose another one")
    expect(message).toContain("c.mjs: b.mjs also declares 'twice'; rename one of the two")
    expect(message).toMatch(/- d\.mjs: cannot be loaded: Unexpected end of input/)
    expect(message).toContain('- e.mjs: exports no activity')
    expect(message).toContain("- f.mjs: cannot be loaded: Cannot find package 'no-such-package'")
    expect(message).toMatch(/- g\.mjs: cannot be loaded: .*nothing/)
  })

  it.skipIf(process.platform === 'win32')('refuses what every user of the machine may change', async () => {
    expect(await refusal({ 'a.mjs': named('open') }, 0o646)).toContain('every user of this machine may change it')
  })

  it.skipIf(Boolean((process.features as { typescript?: unknown }).typescript))(
    'says how to use TypeScript',
    async () => {
      expect(await refusal({ 'a.ts': named('typed') })).toContain('compile it to .mjs, or use Node 22.18 or newer')
    },
  )

  it('says so when there is no folder', async () => {
    await expect(loadOwnActivities('/no/such/folder', builtinActivities)).rejects.toThrow(
      'JETTY_ACTIVITIES_DIR: /no/such/folder cannot be used: ENOENT',
    )
  })
})
