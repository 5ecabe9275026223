import { clouds } from './catalogue/clouds.ts'
import { gateways } from './catalogue/gateways.ts'
import { hosts } from './catalogue/hosts.ts'
import { makers } from './catalogue/makers.ts'
import type { Provider } from './provider.ts'
import { scriptedWire } from './wires/scripted.ts'

/** Every provider that is known by name. What is not here is reached as `custom/<name>/<model>`. */
export const catalogue: readonly Provider[] = [...makers, ...clouds, ...hosts, ...gateways]

/** The models that need no key and are none: they answer by a fixed rule, and are called so everywhere. */
export const scriptedProvider: Provider = {
  id: 'scripted',
  name: 'scripted (no real model)',
  aliases: [],
  base_url: '',
  paths: {},
  keys: [],
  auth: 'bearer',
  wire: scriptedWire,
  source: 'this server',
}

const byId = new Map(catalogue.flatMap((one) => [one.id, ...one.aliases].map((id) => [id, one] as const)))

/** A provider by its id or another spelling of it. */
export const findProvider = (id: string): Provider | undefined => byId.get(id.toLowerCase())
