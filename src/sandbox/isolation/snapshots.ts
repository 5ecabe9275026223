import { isAllowedImage } from '../../lib/files/image-names.ts'
import { nearest } from '../../lib/text/nearest.ts'
import { type SandboxName, sandboxKinds } from '../../model/runbooks/sandbox.ts'
import type { SandboxProbe, SandboxProvider } from './sandbox.ts'

/** A snapshot name resolved for the configured kind of sandbox. */
export type ResolvedSnapshot =
  | {
      ok: true
      /** Null when the runbook named an image. */
      snapshot: string | null
      /** Image to run; undefined when the programs of this host are used. */
      image: string | undefined
      /** One line for people: what the name resolved to, with versions. */
      found: string
      warnings: { found: string; fix: string }[]
    }
  | { ok: false; problem: string; fix: string }

/** The requested snapshot, and the programs the runbook uses: an unused program is never reported missing. */
export interface WantedSnapshot {
  snapshot: string | undefined
  image: string | undefined
  uses?: { has(tool: string): boolean; pythonMinor: number | undefined }
}

export interface SnapshotPlace {
  provider: SandboxName
  /** Versions of this host's programs, where no image is used. */
  tools: SandboxProbe['tools']
  /** Snapshot names mapped to images, from the settings. */
  snapshots: ReadonlyMap<string, string>
  /** Patterns of images that may be requested by name, from the settings. */
  images: readonly string[]
  findImage?: SandboxProvider['findImage']
}

interface Snapshot {
  /** Public default image; undefined when there is none. */
  image?: string
  /** Programs the snapshot promises; undefined when only an image can provide it. */
  tools?: readonly string[]
  /** Description of the image for people. */
  holds?: string
}

const defaultSnapshot = 'python312-uv'

const pythonImage = 'ghcr.io/astral-sh/uv:python3.12-bookworm'

const known: Readonly<Record<string, Snapshot>> = {
  [defaultSnapshot]: { image: pythonImage, tools: ['python3', 'uv'] },
  'python312-uv-node': {
    image: 'docker.io/nikolaik/python-nodejs:python3.12-nodejs22',
    tools: ['python3', 'uv', 'node'],
  },
  'python312-uv-office': { tools: ['python3', 'uv', 'soffice'] },
  'prism-playwright': {
    image: 'mcr.microsoft.com/playwright/python:v1.58.0-noble',
    holds: 'Python 3.12, uv, Playwright and Chromium',
  },
  'text-to-cad': { holds: 'Python 3.12, uv and CAD libraries' },
  local: { image: pythonImage, tools: ['python3'] },
}

// The name becomes part of an engine's URL path: it must not lead to another one.
const imagePattern = /^(?!.*(\.\.|\/\/|\/$))[a-z0-9][\w.\-/:@]{0,254}$/i

/** Image used when none is named. */
export const defaultImage = (snapshots: ReadonlyMap<string, string>): string =>
  snapshots.get(defaultSnapshot) ?? pythonImage

const runsImages = (provider: SandboxName): boolean => sandboxKinds[provider].runsImages

const withImages =
  'Install Podman (sudo apt install podman catatonit) or Docker, and set JETTY_SANDBOX=podman or JETTY_SANDBOX=docker.'

/** How to install a program below `/usr`, the only place of the host that sandboxes see. */
const waysToInstall: Readonly<Record<string, string>> = {
  python3: 'sudo apt install python3 python3-venv',
  uv: 'sudo apt install python3-pip && sudo pip install --break-system-packages uv',
  node: 'sudo apt install nodejs npm',
  soffice: 'sudo apt install libreoffice',
}

const missingTools = (name: string, missing: readonly string[]): { found: string; fix: string }[] => {
  if (missing.length === 0) return []
  const ways = missing.map((tool) => waysToInstall[tool] ?? `sudo apt install ${tool}`)
  return [
    {
      found: `${name} is what this machine has, and it has no ${missing.join(', no ')}`,
      fix: `Install what is missing: ${ways.join(' && ')}. Or run it in an image: ${withImages}`,
    },
  ]
}

const olderPython = (wanted: number | undefined, version: string | undefined): { found: string; fix: string }[] => {
  const here = /^3\.(\d+)/.exec(version ?? '')?.[1]
  if (wanted === undefined || here === undefined || Number(here) >= wanted) return []
  return [
    {
      found: `The runbook speaks of Python 3.${wanted}, and this machine has ${version}`,
      fix:
        `With uv the runbook can fetch it: uv run --python 3.${wanted} …. For all runs: sudo env ` +
        `UV_PYTHON_INSTALL_DIR=/usr/local/lib/uv-python UV_PYTHON_BIN_DIR=/usr/local/bin uv python install 3.${wanted}`,
    },
  ]
}

/** Resolves a snapshot to the programs of this host. */
const onThisMachine = (
  name: string,
  expected: readonly string[],
  tools: SandboxProbe['tools'],
  uses: WantedSnapshot['uses'],
): ResolvedSnapshot => {
  const shown = expected.map((tool) => (tools[tool] === undefined ? `no ${tool}` : `${tool} ${tools[tool]}`))
  const missing = expected.filter((tool) => tools[tool] === undefined && (uses?.has(tool) ?? true))
  return {
    ok: true,
    snapshot: name,
    image: undefined,
    found: `${name} is what this machine has: ${shown.join(', ')}`,
    warnings: [...missingTools(name, missing), ...olderPython(uses?.pythonMinor, tools.python3)],
  }
}

/** Says why the image of a snapshot cannot run here, and what would work instead. */
const withoutEngine = (
  name: string,
  holds: string | undefined,
  { provider, tools }: SnapshotPlace,
): ResolvedSnapshot => {
  const python = tools.python3 === undefined ? 'no python3' : `python3 ${tools.python3}`
  return {
    ok: false,
    problem: `The snapshot ${name} is an image${holds ? ` with ${holds}` : ''}, and ${provider} runs none`,
    fix: `${withImages} Where the runbook needs nothing of it but Python, take snapshot ${defaultSnapshot}: it is what this machine has (${python}).`,
  }
}

const inImage = async (name: string | null, image: string, place: SnapshotPlace): Promise<ResolvedSnapshot> => {
  if (!imagePattern.test(image))
    return {
      ok: false,
      problem: `${JSON.stringify(image)} is not an image name`,
      fix: 'Such as ghcr.io/acme/tools:1.2.',
    }
  const found = await place.findImage?.(image)
  if (found?.state === 'missing')
    return {
      ok: false,
      problem: `The image ${image} is not on this machine and cannot be pulled: ${found.why}`,
      fix: `Check its name and the connection to its registry, or load it beforehand (\`${place.provider} load\`).`,
    }
  const fetched = {
    found: `The image ${image} is not on this machine yet; it is pulled first`,
    fix: `Pull it beforehand, so that no run waits for it: ${place.provider} pull ${image}`,
  }
  return {
    ok: true,
    snapshot: name,
    image,
    found: name === null ? `The image ${image}` : `${name} is the image ${image}`,
    warnings: found?.state === 'elsewhere' ? [fetched] : [],
  }
}

/** Only images that match the settings' patterns are requested: an engine would search any registry for others. */
const inNamedImage = async (image: string, place: SnapshotPlace): Promise<ResolvedSnapshot> => {
  const { images } = place
  if (!imagePattern.test(image) || isAllowedImage(images, image)) return inImage(null, image, place)
  const allowed = images.length > 0 ? `it allows ${images.join(', ')}` : 'it allows none'
  const instead = images.length > 0 ? 'Use an image that it allows, or a snapshot.' : 'Take a snapshot.'
  return { ok: false, problem: `JETTY_SANDBOX_IMAGES does not allow the image ${image}: ${allowed}`, fix: instead }
}

/**
 * Resolves the snapshot or image that a runbook asks for. Without containers `python312-uv` and its relatives become
 * the programs of this host; what only an image provides is refused.
 */
export const resolveSnapshot = async (wanted: WantedSnapshot, place: SnapshotPlace): Promise<ResolvedSnapshot> => {
  const { provider, snapshots, tools } = place
  if (wanted.image !== undefined) {
    if (runsImages(provider)) return inNamedImage(wanted.image, place)
    return { ok: false, problem: `${provider} cannot run the image ${wanted.image}`, fix: withImages }
  }
  const name = wanted.snapshot ?? defaultSnapshot
  const snapshot = Object.hasOwn(known, name) ? known[name] : undefined
  const configured = snapshots.get(name)
  if (!snapshot && configured === undefined) {
    const names = [...new Set([...Object.keys(known), ...snapshots.keys()])]
    const meant = nearest(name, names)
    const problem = `There is no snapshot ${JSON.stringify(name.slice(0, 100))}; there are ${names.join(', ')}`
    const more = `add it to JETTY_SNAPSHOTS as ${/^[\w.-]{1,100}$/.test(name) ? name : 'name'}=image.`
    return { ok: false, problem, fix: meant ? `Write ${meant}, or ${more}` : `Use one of them, or ${more}` }
  }
  if (!runsImages(provider)) {
    if (snapshot?.tools) return onThisMachine(name, snapshot.tools, tools, wanted.uses)
    return withoutEngine(name, snapshot?.holds, place)
  }
  const image = configured ?? snapshot?.image
  if (image !== undefined) return inImage(name, image, place)
  return {
    ok: false,
    problem: `The snapshot ${name} has no image`,
    fix: `Set JETTY_SNAPSHOTS=${name}=IMAGE, with an image that contains its tools.`,
  }
}
