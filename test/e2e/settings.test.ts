// The settings on a real server: what is made is shown once, what is revoked is refused, and secrets stay inside.
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { startReceiver } from '../webhook-receiver.ts'
import { expectSound, newVisitor, takeShots, type Visitor, withoutAnswers } from './pages.ts'

let jetty: TestServer
let visitor: Visitor

/** Signs a new browser in with a token. */
const signedIn = async (token: string): Promise<Visitor> => {
  const one = await newVisitor(jetty.url)
  await one.page.goto('/sign-in')
  await one.page.getByLabel('Key').fill(token)
  await one.page.keyboard.press('Enter')
  await one.page.getByRole('heading', { name: 'Collections' }).waitFor()
  return one
}

beforeAll(async () => {
  jetty = await startTestServer({
    env: { JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1' },
    webFolder: join(dirname(await builtProgram()), 'web'),
  })
  await jetty.call('POST', '/api/v1/tasks/acme', {
    name: 'report',
    workflow: { step_configs: { say: { activity: 'text_echo', text_path: 'env.GREETING' } }, steps: ['say'] },
  })
  visitor = await signedIn(jetty.server.adminToken)
}, 120_000)
afterAll(async () => {
  await visitor?.close()
  await jetty?.close()
})

const open = async (section: string, heading: string) => {
  await visitor.page.goto(`/acme/-/settings/${section}`)
  await visitor.page.getByRole('heading', { level: 1, name: heading }).waitFor()
}
const whoami = async (token: string) => (await jetty.call('GET', '/api/v1/auth/whoami', undefined, token)).status

test('a key is made, shown once, renamed and revoked', async () => {
  const { page } = visitor
  await page.goto('/acme')
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByRole('heading', { name: 'Keys of acme' }).waitFor()
  await page.getByRole('button', { name: 'New key' }).click()
  await page.getByLabel('Name').fill('ci')
  await page.getByLabel('Valid for').selectOption('until a day')
  await page.getByRole('button', { name: 'Make the key' }).click()
  await page.getByText('Choose a day that has not passed').waitFor()
  await page.getByLabel('Valid for').selectOption('30 days')
  await page.getByRole('button', { name: 'Make the key' }).click()
  const key = (await page.getByLabel('The secret', { exact: true }).textContent()) ?? ''
  expect(key).toMatch(/^mlc_/)
  expect(await whoami(key)).toBe(200)
  await expectSound(visitor, 'a key that is shown once')
  await page.getByRole('button', { name: 'I have saved it' }).click()
  const row = page
    .getByRole('list', { name: 'Keys' })
    .getByRole('listitem')
    .filter({ hasText: key.slice(0, 8) })
  await row.getByText('in 29 d').waitFor()
  expect(await page.content()).not.toContain(key)
  await expectSound(visitor, 'keys')
  await takeShots(visitor, 'settings-keys')

  await row.getByRole('button', { name: 'Change ci' }).click()
  await page.getByRole('menuitem', { name: 'Rename' }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill('ci-2027')
  await page.keyboard.press('Enter')
  await row.getByText('ci-2027').waitFor()
  await row.getByRole('button', { name: 'Change ci-2027' }).click()
  await page.getByRole('menuitem', { name: 'Change its expiry' }).click()
  await page.getByLabel('Valid for').selectOption('until a day')
  await page.getByLabel('Last day').fill(`${new Date().getFullYear() + 2}-01-01`)
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('A browser session gives keys at most 90 days').waitFor()
  await page.getByLabel('Valid for').selectOption('7 days')
  await page.getByRole('button', { name: 'Save' }).click()
  await row.getByText('in 6 d').waitFor()
  await row.getByRole('button', { name: 'Change ci-2027' }).click()
  await page.getByRole('menuitem', { name: 'Revoke' }).click()
  await page.getByRole('dialog').getByText('jetty keys revoke', { exact: false }).waitFor()
  await page.getByRole('button', { name: 'Revoke', exact: true }).click()
  await expect.poll(() => row.count()).toBe(0)
  expect(await whoami(key)).toBe(401)
})

test('a secret is set, named with who set it, and in no answer ever', async () => {
  const { page } = visitor
  const secret = 'hj-7Qp-unmistakable-4Zk'
  jetty.leaks.remember('the variable of the settings page', secret)
  const bodies: string[] = []
  page.on('response', async (answer) => bodies.push(await answer.text().catch(() => '')))
  await open('environment', 'Environment of acme')
  await page.getByText('report read it', { exact: false }).waitFor()
  await expectSound(visitor, 'a variable that is missing')
  await page.getByRole('button', { name: 'Set GREETING' }).click()
  await page.getByLabel('Value').fill(secret)
  await page.keyboard.press('Enter')
  const row = page.getByRole('list', { name: 'Variables' }).getByRole('listitem').filter({ hasText: 'GREETING' })
  await row.getByText(/Set .* by admin/).waitFor()
  await row.getByRole('link', { name: 'report' }).waitFor()

  await page.getByRole('button', { name: 'Paste a .env file' }).click()
  await page.getByLabel('Lines of NAME=value').fill('A=1\noops')
  await page.getByText('Line 2 is not NAME=value').waitFor()
  await page.getByLabel('Lines of NAME=value').fill(`# mine\nexport A="${secret}"\nB=2`)
  await page.getByText('It sets A, B').waitFor()
  await page.getByRole('button', { name: 'Set 2 variables' }).click()
  await page.getByRole('button', { name: 'Delete B' }).click()
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await expect.poll(() => page.getByText('B', { exact: true }).count()).toBe(0)
  await expectSound(visitor, 'environment')
  await takeShots(visitor, 'settings-environment')
  await page.reload()
  await row.waitFor()
  expect(bodies.length).toBeGreaterThan(5)
  expect(bodies.filter((text) => text.includes(secret))).toEqual([])
  expect(await page.content()).not.toContain(secret)
  const run = await jetty.start('report')
  const done = await jetty.until('report', run.trajectory_id, ({ ended }) => ended)
  expect(done.status).toBe('completed')
})

test('limits are set beside what is used, and a wrong entry is said at its field', async () => {
  const { page } = visitor
  await open('budgets', 'Budgets of acme')
  await page.getByLabel('US dollars a day').fill('ten')
  await page.getByText('Write a number above 0', { exact: false }).waitFor()
  await page.getByLabel('US dollars a day').fill('12.5')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('of $12.50').waitFor()
  await expectSound(visitor, 'budgets')
  await takeShots(visitor, 'settings-budgets')

  const another = await jetty.start('report')
  await jetty.until('report', another.trajectory_id, ({ ended }) => ended)
  await open('retention', 'Retention of acme')
  await page.getByText('No run.').waitFor()
  await page.getByLabel('Days after its end').fill('30')
  await page.getByRole('button', { name: 'Add a label' }).click()
  await page.getByLabel('Label', { exact: true }).fill('golden')
  await page.getByRole('button', { name: 'Add a task' }).click()
  await page.getByText('Correct the rules above first').waitFor()
  const rule = page.getByRole('group', { name: /^Rule of (task|report)/ })
  await rule.getByLabel('Task', { exact: true }).fill('report')
  await rule.getByLabel('Runs kept').fill('1')
  const deleted = page.getByRole('group', { name: 'Runs that would be deleted, by task' })
  await deleted.getByRole('row', { name: /^report 1 .* too many/ }).waitFor()
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('dialog').getByText('1 run (', { exact: false }).waitFor()
  await expectSound(visitor, 'retention that deletes')
  await page.getByRole('button', { name: 'Save and delete' }).click()
  await page.getByRole('heading', { name: 'What the saved rules delete now' }).waitFor()
  const { body } = await jetty.call('GET', '/api/v1/collections/acme/settings')
  expect(body).toMatchObject({
    budget: { usd_per_day: 12.5 },
    retention_days: 30,
    retention: { keep_labels: ['golden'], tasks: { report: { runs: 1 } } },
  })

  await open('calls', 'Calls and network of acme')
  await page.getByLabel('Hosts that steps', { exact: false }).fill('not a host!')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Must be a host', { exact: false }).waitFor()
  await expectSound(visitor, 'calls')
  await page.getByRole('button', { name: 'Add a deployment' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Model', { exact: true }).fill('gpt-4o')
  await dialog.getByLabel('Variables in the place of others').fill('OPENAI_API_KEY')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.getByText('Write NAME = OTHER_NAME', { exact: false }).waitFor()
  await dialog.getByLabel('Variables in the place of others').fill('OPENAI_API_KEY = OPENAI_API_KEY_EU')
  await dialog.getByLabel('Name', { exact: true }).fill('eu')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('button', { name: 'Edit the deployment eu' }).click()
  await dialog.getByLabel('Weight').fill('3')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await page.getByText('weight 3', { exact: false }).waitFor()
  await page.getByLabel('The next call goes').selectOption('latency')
  const settingsOf = async () => (await jetty.call('GET', '/api/v1/collections/acme/settings')).body
  await expect.poll(settingsOf).toMatchObject({
    deployments: [{ model: 'gpt-4o', name: 'eu', variables: { OPENAI_API_KEY: 'OPENAI_API_KEY_EU' }, weight: 3 }],
    deployment_choice: 'latency',
  })
  await expectSound(visitor, 'deployments')
  await takeShots(visitor, 'settings-deployments')
  await page.getByRole('button', { name: 'Remove the deployment eu' }).click()
  await expect.poll(settingsOf).toMatchObject({ deployments: null })
  await open('storage', 'Storage of acme')
  await page.getByText('In the database', { exact: true }).waitFor()
  await expectSound(visitor, 'storage')
  await takeShots(visitor, 'settings-storage')
  await open('trial', 'Trial of acme')
  await page.getByText('This server lends no keys').waitFor()
  await expectSound(visitor, 'trial')
})

test('a receiver is tested, and a failed delivery is made again', async () => {
  const { page } = visitor
  const receiver = await startReceiver((answer, n) => answer.writeHead(n === 1 ? 503 : 200).end())
  await open('webhooks', 'Webhooks of acme')
  await page.getByText('Nothing was delivered yet').waitFor()
  await page.getByRole('button', { name: 'Send a test' }).click()
  await page.getByLabel('Address').fill('ftp://example.com')
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  await page.getByText('must be an http or https URL', { exact: false }).waitFor()
  await page.getByLabel('Address').fill(`${receiver.url}/hook`)
  await page.getByRole('button', { name: 'Make one' }).click()
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  await page.getByText('The receiver answered 503', { exact: false }).waitFor()
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  await page.getByText('Delivered: the receiver answered 200').waitFor()
  expect(receiver.of('test').every(({ headers }) => headers['x-jetty-signature'] !== undefined)).toBe(true)
  await expectSound(visitor, 'a tested receiver')
  await page.getByRole('button', { name: 'Close' }).last().click()

  await page.getByRole('button', { name: 'Set a receiver' }).click()
  await page.getByLabel('Address').fill(`${receiver.url}/done`)
  await page.getByRole('button', { name: 'Save' }).click()
  const secret = (await page.getByLabel('The secret', { exact: true }).textContent()) ?? ''
  expect(secret).toMatch(/^[0-9a-f]{64}$/)
  jetty.leaks.remember('the secret of the receiver', secret)
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await page.getByText('Signed with env.WEBHOOK_SECRET', { exact: false }).waitFor()

  const { trajectory_id: id } = await jetty.start('report')
  await expect.poll(() => receiver.of(id).length, { timeout: 20_000 }).toBe(1)
  await page.getByRole('tab', { name: 'Failed' }).click()
  await page.getByRole('button', { name: `Deliver again: report/${id}` }).click()
  await page.getByText('Delivered: the receiver answered 200').waitFor()
  await page.getByRole('tab', { name: 'All' }).click()
  await page.getByText('attempt 2, by hand').waitFor()
  await expectSound(visitor, 'deliveries')
  await takeShots(visitor, 'settings-webhooks-real')
  receiver.close()
})

test('the admin sees how the server is', async () => {
  const { page } = visitor
  await page.goto('/settings/health')
  await page.getByRole('list', { name: 'Checks' }).getByText('answers and takes writes').waitFor()
  await expectSound(visitor, 'health')
  await page.getByRole('link', { name: 'Storage' }).click()
  await page.getByRole('heading', { name: 'Largest tables' }).waitFor()
  await page.keyboard.press('Control+k')
  await page.keyboard.type('model providers')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Providers' }).waitFor()
})

test('the audit says who changed what, and is filtered', async () => {
  const { page } = visitor
  await open('audit', 'Audit of acme')
  const list = page.getByRole('list', { name: 'Changes' })
  await list.getByText('Changed settings').first().waitFor()
  await page.getByLabel('What').selectOption('Changed variables')
  await expect.poll(() => list.getByText('Changed settings').count()).toBe(0)
  await list.getByText('set: GREETING').waitFor()
  await page.getByLabel('Who').fill('somebody')
  await page.getByText('Write admin, or the id of a key').waitFor()
  await expectSound(visitor, 'audit')
  await takeShots(visitor, 'settings-audit')
  await page.goto('/settings/audit')
  await page.getByRole('heading', { name: 'Audit of the server' }).waitFor()
  await list.getByText('Signed in').first().waitFor()
  await expectSound(visitor, 'audit of the server')
})

test('a key that may only read changes nothing', async () => {
  const made = await jetty.call('POST', '/api/v1/api-keys', {
    name: 'r',
    collection_name: 'acme',
    access_level: 'READ',
  })
  const reader = await signedIn(made.body.api_key)
  await reader.page.goto('/acme/-/settings/keys')
  await reader.page.getByRole('heading', { name: 'Environment of acme' }).waitFor()
  await reader.page.getByRole('button', { name: 'Set a variable', disabled: true }).waitFor()
  expect(await reader.page.getByRole('link', { name: 'Audit' }).count()).toBe(0)
  await reader.page.goto('/acme/-/settings/budgets')
  await reader.page.getByText('Your key may read only.').waitFor()
  expect(withoutAnswers(reader.faults)).toEqual([])
  await reader.close()
})

test('signing out everywhere ends another browser, too', async () => {
  const made = await jetty.call('POST', '/api/v1/api-keys', { name: 'mara', collection_name: 'acme' })
  const [one, other] = [await signedIn(made.body.api_key), await signedIn(made.body.api_key)]
  await one.page.keyboard.press('g')
  await one.page.keyboard.press('s')
  const sessions = one.page.getByRole('list', { name: 'Sessions' }).getByRole('listitem')
  await expect.poll(() => sessions.count()).toBe(2)
  await one.page.getByText('this browser', { exact: true }).waitFor()
  expect(await one.page.getByRole('link', { name: 'Audit' }).count()).toBe(0)
  await expectSound(one, 'sessions')
  await takeShots(one, 'settings-sessions')
  await one.page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await one.page.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click()
  await one.page.getByRole('heading', { name: 'Sign in to Jetty' }).waitFor()
  await other.page.goto('/acme')
  await other.page.getByRole('dialog').getByText('Sign in again', { exact: false }).waitFor()
  expect(await whoami(made.body.api_key)).toBe(200)
  const { body } = await jetty.call('GET', '/api/v1/collections/acme/audit?operation=endSessions')
  expect(body.entries[0]).toMatchObject({ actor: { name: 'mara' }, changes: { ended: 2 } })
  await Promise.all([one.close(), other.close()])
})

test('a collection is paused with a reason, says so on its overview, and is resumed', async () => {
  const { page } = visitor
  await open('pause', 'Pause acme')
  await page.getByLabel('Reason').fill('the invoices are wrong')
  await page.getByRole('button', { name: 'Pause the collection' }).click()
  await page.getByText('Paused by the operator of the server').waitFor()
  await expectSound(visitor, 'a paused collection')
  const start = () => jetty.call('POST', '/api/v1/run/acme/report', new FormData())
  expect((await start()).status).toBe(409)
  await page.goto('/acme')
  await page.getByText('This collection is paused').waitFor()
  await page.getByText('the invoices are wrong').waitFor()
  await expectSound(visitor, 'the overview of a paused collection')
  await page.getByRole('link', { name: 'Resume' }).click()
  await page.getByRole('button', { name: 'Resume the collection' }).click()
  await page.getByText('It is not paused').waitFor()
  expect((await start()).status).toBe(200)
})
