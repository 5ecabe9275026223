import { nearest } from '../text/nearest.ts'
import { settingList } from './config.ts'

/** Variables of clients and of coding agents in sandboxes, which are no server settings. */
const ofOthers = [
  'JETTY_API_URL',
  'JETTY_API_TOKEN',
  'JETTY_API',
  'JETTY_MODEL_TOKEN',
  'JETTY_MODEL_URL',
  'JETTY_GATEWAY_URL',
  'JETTY_GATEWAY_TOKEN',
  'JETTY_SANDBOX_ID',
  'JETTY_SANDBOX_SOCKET',
]

interface UnknownVariable {
  name: string
  /** The probably intended setting. */
  meant: string | undefined
}

/** Finds variables that look like settings but are none, such as `JETTY_PROT`. */
export const unknownVariables = (env: Record<string, string | undefined>): UnknownVariable[] => {
  const settings = settingList.map(({ variable }) => variable)
  const lent = (env.JETTY_TRIAL_KEYS ?? '').split(',').map((name) => name.trim())
  const known = new Set([...settings, ...ofOthers, ...lent])
  return Object.keys(env)
    .filter((name) => name.startsWith('JETTY_') && !known.has(name))
    .sort()
    .map((name) => ({ name, meant: nearest(name, settings) }))
}

/** `JETTY_PROT is no setting. Did you mean JETTY_PORT?` */
export const unknownText = ({ name, meant }: UnknownVariable): string =>
  `${name} is not a setting. ${meant ? `Did you mean ${meant}?` : '`jetty serve --settings` lists them.'}`
