import { shapes } from '../src/model/gateway/shape.ts'
import { clouds } from '../src/providers/catalogue/clouds.ts'
import { gateways } from '../src/providers/catalogue/gateways.ts'
import { hosts } from '../src/providers/catalogue/hosts.ts'
import { makers } from '../src/providers/catalogue/makers.ts'
import { answers } from '../src/providers/models/resolve.ts'
import type { Provider } from '../src/providers/provider.ts'
import { code, page, table } from './markdown.ts'

/** What else has to be set, or may be, for the base URL. */
const variablesOf = ({ base_url, base_url_variable }: Provider): string[] => [
  ...[...base_url.matchAll(/\{([A-Z0-9_]+)(=?)/g)].map(
    ([, name = '', preset]) => code(name) + (preset ? ' (optional)' : ''),
  ),
  ...(base_url_variable === undefined ? [] : [`${code(base_url_variable)} (optional)`]),
]

const answered = (one: Provider): string =>
  shapes
    .filter((shape) => answers(one, shape))
    .filter((shape) => shape !== 'responses' || one.paths.responses !== undefined)
    .filter((shape) => shape !== 'messages' || one.paths.messages !== undefined)
    .join(', ')

const part = (title: string, rows: readonly Provider[]): string =>
  `## ${title}\n\n${table(
    ['Write', 'Who', 'Key', 'Beside it', 'Answers'],
    [...rows]
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((one) => [
        [one.id, ...one.aliases].map((id) => code(`${id}/…`)).join(' '),
        one.name,
        one.keys.map(code).join(' or '),
        variablesOf(one).join(', '),
        answered(one),
      ]),
  )}`

/** Every provider that is known by name. */
export const providersPage = (): string =>
  page(
    'Providers',
    'Who answers calls to models, by what is written before the name of a model. The key is looked up in the environment ' +
      'of the collection, or in what a run was given. `messages` and `responses` stand where a provider answers in those ' +
      'shapes itself; whoever answers `chat` is asked for messages too. See [providers](../providers.md).',
    part('Those who make models', makers),
    part('Clouds and platforms', clouds),
    part('Hosts of open models', hosts),
    part('Gateways to others', gateways),
  )
