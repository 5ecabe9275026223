import { describe, expect, test } from 'vitest'
import { toolsUsed } from '../runbooks/preflight/preflight.ts'
import { resolveSnapshot, type SnapshotPlace } from './snapshots.ts'

const here: SnapshotPlace = {
  provider: 'bubblewrap',
  tools: { python3: '3.13.5', uv: undefined, node: '20.20.2' },
  snapshots: new Map(),
  images: ['*'],
}
const contained: SnapshotPlace = {
  provider: 'podman',
  tools: {},
  snapshots: new Map([
    ['prism-playwright', 'ghcr.io/acme/playwright:1'],
    ['our-tools', 'ghcr.io/acme/tools@sha256:00'],
  ]),
  images: ['*'],
  findImage: async (image) => ({ state: image.startsWith('ghcr.io/acme') ? 'here' : 'elsewhere' }),
}
const resolve = (snapshot: string | undefined, place: SnapshotPlace, image?: string) =>
  resolveSnapshot({ snapshot, image }, place)

describe('without containers', () => {
  test('the default is what this machine has, with versions, and what is missing is a warning', async () => {
    expect(await resolve(undefined, here)).toEqual({
      ok: true,
      snapshot: 'python312-uv',
      image: undefined,
      found: 'python312-uv is what this machine has: python3 3.13.5, no uv',
      warnings: [
        {
          found: 'python312-uv is what this machine has, and it has no uv',
          fix: expect.stringMatching(/^Install what is missing: .*pip install --break-system-packages uv\. Or/),
        },
      ],
    })
    expect(await resolve('python312-uv', { ...here, tools: { python3: '3.12.1', uv: '0.9.0' } })).toMatchObject({
      warnings: [],
    })
  })

  test('what the runbook does not use is not missed', async () => {
    const using = (text: string, tools = here.tools) =>
      resolveSnapshot({ snapshot: undefined, image: undefined, uses: toolsUsed(text) }, { ...here, tools })
    const warnings = async (...asked: Parameters<typeof using>) => {
      const found = await using(...asked)
      return found.ok ? found.warnings.map((one) => one.found) : [found.problem]
    }
    expect(await using('Read the files.')).toMatchObject({
      found: 'python312-uv is what this machine has: python3 3.13.5, no uv',
      warnings: [],
    })
    expect(await warnings('A duvet, a uv lamp and UV light.')).toEqual([])
    const noUv = ['python312-uv is what this machine has, and it has no uv']
    for (const text of ['Run `uv pip install x`.', 'uvx ruff', '| uv | yes |', 'Needs `uv`.'])
      expect(await warnings(text)).toEqual(noUv)
    expect(await warnings('Needs Python 3.12.')).toEqual([])
    const old = { python3: '3.11.2', uv: '0.9.0' }
    expect(await warnings('Needs Python 3.12+', old)).toEqual([
      'The runbook speaks of Python 3.12, and this machine has 3.11.2',
    ])
    expect(await using('Needs Python >= 3.12', old)).toMatchObject({
      warnings: [{ fix: expect.stringContaining('uv run --python 3.12') }],
    })
    expect(await warnings('Needs Python 3.10 or 3.12.', old)).toEqual([])
  })

  test.each(['python312-uv-node', 'python312-uv-office', 'local'])('%s as well', async (name) => {
    expect(await resolve(name, here)).toMatchObject({ ok: true, snapshot: name, image: undefined })
  })

  test.each(['prism-playwright', 'text-to-cad'])('%s is refused, with what to do', async (name) => {
    expect(await resolve(name, here)).toMatchObject({
      ok: false,
      problem: expect.stringMatching(
        new RegExp(`^The snapshot ${name} is an image with Python 3\\.12, uv.*, and bubblewrap runs none$`),
      ),
      fix: expect.stringMatching(
        /apt install podman.*JETTY_SANDBOX=podman.*take snapshot python312-uv.*\(python3 3\.13\.5\)/,
      ),
    })
  })

  test('an image is refused, and so is one that stands for a name of the settings', async () => {
    expect(await resolve(undefined, here, 'debian:12')).toMatchObject({
      ok: false,
      problem: 'bubblewrap cannot run the image debian:12',
    })
    expect(await resolve('our-tools', { ...contained, provider: 'process' })).toMatchObject({ ok: false })
  })
})

describe('with containers', () => {
  test('an image that the settings do not allow is refused before anybody is asked for it; snapshots are not images', async () => {
    const asked: string[] = []
    const findImage: SnapshotPlace['findImage'] = async (image) => {
      asked.push(image)
      return { state: 'here' }
    }
    const narrow: SnapshotPlace = { ...contained, images: ['ghcr.io/acme/*', 'debian:12'], findImage }
    expect(await resolve(undefined, narrow, '10.0.0.1:5000/x')).toEqual({
      ok: false,
      problem: 'JETTY_SANDBOX_IMAGES does not allow the image 10.0.0.1:5000/x: it allows ghcr.io/acme/*, debian:12',
      fix: 'Use an image that it allows, or a snapshot.',
    })
    expect(await resolve(undefined, { ...narrow, images: [] }, 'debian:12')).toMatchObject({
      problem: 'JETTY_SANDBOX_IMAGES does not allow the image debian:12: it allows none',
      fix: 'Take a snapshot.',
    })
    expect(asked).toEqual([])
    expect(await resolve(undefined, narrow, 'debian:12')).toMatchObject({ ok: true, image: 'debian:12' })
    expect(await resolve('local', { ...narrow, images: [] })).toMatchObject({ ok: true })
  })

  test('a name of the settings goes before what we know', async () => {
    expect(await resolve('prism-playwright', contained)).toMatchObject({
      image: 'ghcr.io/acme/playwright:1',
      warnings: [],
    })
    expect(await resolve('our-tools', contained)).toMatchObject({
      snapshot: 'our-tools',
      image: 'ghcr.io/acme/tools@sha256:00',
    })
  })

  test('without one there is a public image, which is fetched first', async () => {
    expect(await resolve(undefined, contained)).toMatchObject({
      ok: true,
      snapshot: 'python312-uv',
      image: 'ghcr.io/astral-sh/uv:python3.12-bookworm',
      warnings: [
        { found: expect.stringContaining('pulled first'), fix: expect.stringContaining('podman pull ghcr.io') },
      ],
    })
  })

  test('an image that is nowhere is refused, with what its registry says; one that nobody can tell of is not', async () => {
    const nowhere: SnapshotPlace = {
      ...contained,
      findImage: async () => ({ state: 'missing', why: 'manifest unknown' }),
    }
    expect(await resolve(undefined, nowhere, 'ghcr.io/acme/none:1')).toEqual({
      ok: false,
      problem: 'The image ghcr.io/acme/none:1 is not on this machine and cannot be pulled: manifest unknown',
      fix: 'Check its name and the connection to its registry, or load it beforehand (`podman load`).',
    })
    const silent: SnapshotPlace = { ...contained, findImage: async () => ({ state: 'unknown' }) }
    expect(await resolve(undefined, silent, 'debian:13')).toMatchObject({ ok: true, warnings: [] })
  })

  test('where nobody has an image, the setting is named', async () => {
    expect(await resolve('text-to-cad', contained)).toMatchObject({
      ok: false,
      fix: expect.stringContaining('JETTY_SNAPSHOTS=text-to-cad='),
    })
  })

  test('an image goes before a snapshot, and has to be the name of one', async () => {
    expect(await resolve('local', contained, 'ghcr.io/acme/x:2')).toMatchObject({
      snapshot: null,
      image: 'ghcr.io/acme/x:2',
    })
    for (const image of [
      '',
      '-v /:/host',
      '../x',
      'a/../../containers/x:1',
      'a//b',
      'a/',
      'a b',
      `x${'y'.repeat(300)}`,
    ])
      expect(await resolve(undefined, contained, image)).toMatchObject({ ok: false })
  })
})

test.each(['python312', 'constructor', '__proto__', 'x\n'])(
  '%j is unknown: those that are known are listed',
  async (name) => {
    const found = await resolve(name, here)
    if (found.ok) throw new Error('taken')
    expect(found.problem).toContain(
      'python312-uv, python312-uv-node, python312-uv-office, prism-playwright, text-to-cad, local',
    )
    expect(found.fix).toMatch(name === 'python312' ? /^Write python312-uv, or/ : /^Use one of them/)
  },
)
