import { dirname, join } from 'node:path'
import { startTestServer, type TestServer, type TestServerOptions } from '../server.ts'
import { builtProgram } from '../shared.ts'
import { newVisitor, type Visitor } from './pages.ts'

/** Starts a whole server that serves the built pages. */
export const startServerWithPages = async (options: TestServerOptions = {}): Promise<TestServer> =>
  startTestServer({ ...options, webFolder: join(dirname(await builtProgram()), 'web') })

/** Signs in on the page for it, by a key. */
export const signInByKey = async ({ page }: Visitor, key: string): Promise<void> => {
  await page.goto('/sign-in')
  await page.getByLabel('Key').fill(key)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Collections' }).waitFor()
}

/** A browser context of its own in which the admin has signed in. */
export const newAdmin = async (jetty: TestServer): Promise<Visitor> => {
  const visitor = await newVisitor(jetty.url)
  await signInByKey(visitor, jetty.server.adminToken)
  return visitor
}
