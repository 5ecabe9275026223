import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Browser, chromium, type Page } from 'playwright-core'
import { startChromium } from '../test/e2e/chromium.ts'
import { startFixtureServer } from '../test/e2e/fixture-server.ts'
import { type GalleryPage, galleryPages, galleryStates, showGalleryPage } from '../test/e2e/gallery-pages.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'shots' },
    only: { type: 'string', default: '' },
    help: { type: 'boolean' },
  },
})
const usage = `npm run shots [-- --only text,text] [--out folder]
Takes a picture of every page from recorded answers, light and dark, for a desktop and a phone: shots/light/desktop/runs.png
`
const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } } as const

const signIn = "try { localStorage.setItem('jetty.session', 'fixture') } catch {}"

const openTab = async (browser: Browser, url: string, device: keyof typeof sizes): Promise<Page> => {
  const context = await browser.newContext({ baseURL: url, viewport: sizes[device], reducedMotion: 'reduce' })
  await context.addInitScript({ content: signIn })
  return context.newPage()
}

const take = async (page: Page, shown: GalleryPage, device: string): Promise<void> => {
  await page.emulateMedia({ colorScheme: 'light' })
  await showGalleryPage(page, shown)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await page.screenshot({ path: join(values.out, colorScheme, device, `${shown.name}.png`) })
  }
}

const main = async (): Promise<void> => {
  if (values.help) return void process.stdout.write(usage)
  const chosen = galleryPages.filter(({ name }) => values.only.split(',').some((part) => name.includes(part)))
  if (values.only === '') await rm(values.out, { recursive: true, force: true })
  const [server, started] = await Promise.all([startFixtureServer({ states: galleryStates }), startChromium()])
  const browser = await chromium.connect(started.wsEndpoint())
  const devices = Object.keys(sizes) as (keyof typeof sizes)[]
  await mkdir(values.out, { recursive: true })
  await Promise.all(
    devices.map(async (device) => {
      const page = await openTab(browser, server.url, device)
      for (const shown of chosen) {
        await take(page, shown, device).catch((error: Error) => {
          process.exitCode = 1
          process.stderr.write(`${shown.name} on ${device}: ${error.message.split('\n')[0]}\n`)
        })
      }
    }),
  )
  await started.close()
  await server.close()
  process.stdout.write(`${chosen.length * 4} pictures in ${values.out}\n`)
}

await main()
