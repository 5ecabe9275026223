// One sitting: a prompt is mended in the editor, tried on recorded runs for a price, looked at side by side, saved and tagged.
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../src/lib/time.ts'
import {
  type GradedProvider,
  gradedWorkflow,
  gradingJudge,
  startGradedProvider,
} from '../integration/experiments/graded-provider.ts'
import { startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { expectSound, newVisitor, takeShots, type Visitor, withoutAnswers } from './pages.ts'

let provider: GradedProvider
let jetty: TestServer
let visitor: Visitor

beforeAll(async () => {
  const webFolder = join(dirname(await builtProgram()), 'web')
  provider = await startGradedProvider()
  jetty = await startTestServer({ webFolder, env: { OPENAI_BASE_URL: provider.url } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-sitting-unmistakable-41b7' },
  })
  await jetty.call('POST', '/api/v1/tasks/acme', { name: 'answers', workflow: gradedWorkflow('badly') })
  const items = Array.from({ length: 20 }, (_, at) => ({ question: `Question ${at}?`, asks: at % 5 > 0 }))
  const { body } = await jetty.call('POST', '/api/v1/run-batch/acme/answers', { items })
  const batch = `/api/v1/batches/acme/${body.batch_id}`
  while ((await jetty.call('GET', batch)).body.ended === null) await pause(50)
  visitor = await newVisitor(jetty.url)
  const { page } = visitor
  await page.goto('/sign-in')
  await page.getByLabel('Key').fill(jetty.server.adminToken)
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: 'acme' }).first().waitFor()
})
afterAll(async () => {
  await visitor?.close()
  await jetty?.close()
  await provider?.close()
})

test('a draft is tried on the last runs for a price that the button says, and is then saved and tagged', async () => {
  const { page, faults } = visitor
  await page.goto('/acme/answers?tab=definition')
  const editor = page.getByLabel('Workflow of answers')
  await editor.click()
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.insertText(JSON.stringify(gradedWorkflow('brilliantly'), null, 2))
  const before = { ...provider.bill }
  await page.getByRole('button', { name: /Try on the last 20 runs, about \$0\.0\d+/ }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText(/20 runs · 16 executed from answer · 4 untouched/).waitFor()
  expect(provider.bill).toEqual(before)
  await dialog.getByRole('button', { name: 'Add a judge' }).click()
  await dialog.getByRole('button', { name: /Try it/ }).click()
  await dialog.getByText('Name the model that judges').waitFor()
  await dialog.getByRole('textbox', { name: 'Model' }).fill(gradingJudge.model)
  await dialog.getByLabel('Judges by').fill(gradingJudge.instruction)
  await dialog.getByLabel('Answers with').selectOption('a score')
  await takeShots(visitor, 'experiments-new')
  await expectSound(visitor, 'a new experiment')
  await dialog.getByText(/cost unknown: Nothing is recorded of judge/).waitFor()
  await dialog.getByRole('button', { name: 'Try it' }).click()

  const trial = page.getByRole('region', { name: /^Experiment/ })
  await trial.getByText(/^better by/).waitFor({ timeout: 60_000 })
  await trial.getByText(/16 judged · 4 untouched/).waitFor()
  expect(provider.bill.answers - before.answers).toBe(16)
  await takeShots(visitor, 'experiments-editor')
  await expectSound(visitor, 'an experiment beside the editor')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByRole('button', { name: 'Tag v1' }).click()
  await page.getByRole('button', { name: 'Set' }).click()
  await page.getByText('Version 1 is tagged').waitFor()
  const { body } = await jetty.call('GET', '/api/v1/tasks/acme/answers/history')
  expect(body.versions[0]).toMatchObject({ index: 1, tags: ['production'] })

  await trial.getByRole('link', { name: 'Side by side' }).first().click()
  await page.waitForURL(/-\/compare\?run=/)
  await page.getByText('brilliantly', { exact: false }).first().waitFor()
  await takeShots(visitor, 'experiments-compared')
  expect(withoutAnswers(faults)).toEqual([])
})

test('a version is tried within a bound, stops there, and goes on with a higher one', async () => {
  const { page } = visitor
  await page.goto('/acme/answers?tab=experiments')
  await page.getByRole('region', { name: 'All experiments' }).getByText('20 runs').waitFor()
  await page.getByRole('button', { name: 'New experiment' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Version').fill('production')
  await dialog.getByLabel('Newest runs').fill('15')
  await dialog.getByLabel('At most, in US dollars').fill('0.002')
  // The judge of the last time is there already, and what it costs is on record now.
  await dialog.getByRole('button', { name: /Try it, about \$0\.0\d+/ }).click()
  const shown = page.getByRole('region', { name: /^Experiment/ })
  await shown.getByText('Stopped at its bound', { exact: false }).waitFor({ timeout: 60_000 })
  await takeShots(visitor, 'experiments-stopped')
  await expectSound(visitor, 'an experiment at its bound')
  await shown.getByRole('button', { name: 'Go on' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Go on' }).click()
  await shown.getByText(/\d+ judged · 3 untouched/).waitFor({ timeout: 60_000 })
  await shown.getByText('v1 (production) on 15 runs', { exact: false }).waitFor()
  await takeShots(visitor, 'experiments')
})
