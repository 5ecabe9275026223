import { inDatabase } from './database-server.ts'

const everything =
  'select oid::regclass::text as name from pg_class where relkind = $$r$$ and relnamespace = $$public$$::regnamespace'

/** Makes statements fail that would write to tables, as if the disk of the database were full. */
export interface FullDisk {
  /** All tables, or those that are named. */
  fill(tables?: readonly string[]): Promise<void>
  empty(): Promise<void>
}

/** The database of `url` must be the test's own. */
export const makeFullDisk = (url: string): FullDisk => ({
  fill: (tables) =>
    inDatabase(url, async (database) => {
      await database.query(`create or replace function disk_is_full() returns trigger language plpgsql as $$ begin
        raise exception 'could not extend file "base/5/16384": No space left on device' using errcode = '53100'; end $$`)
      for (const { name } of await database.query<{ name: string }>(everything)) {
        if (tables && !tables.includes(name)) continue
        await database.query(
          `create or replace trigger a_full_disk before insert or update on ${name} for each statement execute function disk_is_full()`,
        )
      }
    }),
  empty: () => inDatabase(url, (database) => database.query('drop function if exists disk_is_full() cascade')),
})
