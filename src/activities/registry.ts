import type { Activity, ActivityRegistry } from './activity.ts'
import { sleep } from './control/sleep.ts'
import { textConcatenate } from './text/text-concatenate.ts'
import { textEcho } from './text/text-echo.ts'
import { textSplit } from './text/text-split.ts'
import { textTemplate } from './text/text-template.ts'

const all: Activity[] = [sleep, textConcatenate, textEcho, textSplit, textTemplate]

/** Every activity that comes with the server, by name. To add one: its file, and its two lines here. */
export const builtinActivities: ActivityRegistry = new Map(all.map((activity) => [activity.name, activity]))
