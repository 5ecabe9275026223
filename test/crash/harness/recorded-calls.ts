import { wrongTotals } from '../../kept-totals.ts'
import type { SeenCall } from './gateway-load.ts'
import type { Site } from './site.ts'

interface Differing {
  what: string
  text: string
  has_record: boolean
}

const missingOf = async (site: Site, calls: SeenCall[]): Promise<string[]> => {
  const rows = await site.rows<Differing>(
    `select format('%s: %s, "%s" was seen (%s) and "%s" is recorded', u.id, coalesce(r.status, 'no record'), u.text,
       u.record, s.outputs::json->>'text') what, u.text, r.id is not null has_record
     from unnest($1::text[], $2::text[], $3::text[]) u(id, text, record)
     left join runs r on r.trajectory_id = u.id left join steps s on s.run_id = r.id
     where r.status is distinct from 'completed' or s.outputs::json->>'text' is distinct from u.text limit 20`,
    [calls.map(({ id }) => id), calls.map(({ text }) => text), calls.map(({ record }) => record)],
  )
  const elsewhere = rows.length > 0 && rows.every((row) => row.has_record) ? await recorded(site, rows) : new Set()
  return rows.filter(({ text }) => !elsewhere.has(text)).map(({ what }) => what)
}

/**
 * Ids of eight digits clash sooner or later among tens of thousands. One that is taken when its call comes to be written,
 * as after a time without a database, gives way: the call is recorded under another one.
 */
const recorded = async (site: Site, rows: Differing[]): Promise<Set<string>> => {
  const found = await site.rows<{ text: string }>(
    `select s.outputs::json->>'text' as text from steps s where s.outputs::json->>'text' = any($1::text[])`,
    [rows.map(({ text }) => text)],
  )
  return new Set(found.map(({ text }) => text))
}

/** Calls that are recorded more than once: every call says something else. */
const repeated = async (site: Site): Promise<string[]> => {
  const rows = await site.rows<{ what: string }>(
    `select format('%s records of "%s"', count(*), s.outputs::json->>'text') what
     from runs r join steps s on s.run_id = r.id where r.status = 'completed' and split_part(r.name, '/', 2) = '_chat'
     group by s.outputs::json->>'text' having count(*) > 1 limit 20`,
  )
  return rows.map(({ what }) => what)
}

/** Where what clients saw complete is not recorded once, as they saw it, and what is counted is not what is there. */
export const wrongRecords = async (site: Site, calls: SeenCall[]): Promise<string[]> => [
  ...(await missingOf(site, calls)),
  ...(await repeated(site)),
  ...(await wrongTotals((text) => site.rows(text))),
]

/** Every call is settled once nothing waits in a file of the data folder. */
export const recordsNow = async (site: Site): Promise<number> =>
  (await site.rows<{ total: number }>('select count(*)::int total from runs'))[0]?.total ?? 0
