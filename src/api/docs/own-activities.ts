import type { ActivityRegistry } from '../../activities/activity.ts'
import { activityMarkdown } from '../step-templates/activity-markdown.ts'
import { describeActivity } from '../step-templates/describe.ts'
import type { DocLibrary, DocPage } from './library.ts'
import { docSectionsOf } from './sections.ts'

const title = 'Own activities of this server'
const page = 'reference/own-activities'

/** The documentation of a server with a page about the activities of its JETTY_ACTIVITIES_DIR, if it has any. */
export const withOwnActivities = (library: DocLibrary, activities: ActivityRegistry): DocLibrary => {
  const own = [...activities.values()].filter(({ module }) => module !== undefined)
  if (own.length === 0) return library
  const about = 'Modules in JETTY_ACTIVITIES_DIR declare these activities; [the guide](../own-activities.md) says how.'
  const markdown = `${[`# ${title}`, about, ...own.map((one) => activityMarkdown(describeActivity(one)))].join('\n\n')}\n`
  const shown: DocPage = { page, title, markdown, sections: docSectionsOf(markdown) }
  return {
    ...library,
    pages: new Map([...library.pages, [page, shown]]),
    groups: library.groups.map((group) =>
      group.title === 'Reference' ? { ...group, pages: [...group.pages, { page, title }] } : group,
    ),
  }
}
