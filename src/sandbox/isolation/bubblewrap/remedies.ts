import { existsSync } from 'node:fs'
import { exhaustionRemedy } from '../../../lib/exhaustion.ts'

const ofContainer =
  'The server runs in a container that forbids what sandboxes are made of. Start that container with `--security-opt ' +
  'seccomp=unconfined` and `--security-opt systempaths=unconfined` (Docker) or `--security-opt unmask=ALL` (Podman).'

const namespaces = /uid map|RTM_NEWADDR|No permissions to create (a )?new namespace|user namespace/i

/** Error outputs of bubblewrap and its launcher, each with a remedy; the first match counts. */
const remedies: readonly [said: RegExp, remedy: string][] = [
  [
    namespaces,
    'This system restricts user namespaces. On Ubuntu 24.04 and later allow them for bubblewrap alone: write ' +
      '`abi <abi/4.0>, include <tunables/global> profile bwrap /usr/bin/bwrap flags=(unconfined) { userns, }` to ' +
      '/etc/apparmor.d/bwrap, then `sudo systemctl reload apparmor`. On Debian before 11: `sysctl kernel.unprivileged_userns_clone=1`. ' +
      'A unit of systemd needs deploy/sandboxes.conf.',
  ],
  [/mount proc|proc: Operation not permitted|set hostname/i, ofContainer],
  [
    /unshare.*Operation not permitted|mount: .*permission denied|must be superuser/i,
    'Root may not mount here. Set JETTY_SANDBOX_DIR and JETTY_AGENTS_DIR to folders that every user may pass through, ' +
      'such as /srv/jetty-sandboxes, or run the server as an ordinary user.',
  ],
  [
    /Can't find source path|Permission denied/i,
    'The user of the sandboxes may not enter their folder. Set JETTY_SANDBOX_DIR and JETTY_AGENTS_DIR to ' +
      'folders that every user may enter.',
  ],
  [
    /No space left|max_user_namespaces/i,
    'Raise the limit: `sysctl user.max_user_namespaces=15000`, or free some space.',
  ],
  [
    /ENOENT|not found|No such file/i,
    'Install it: `apt install bubblewrap` (Debian, Ubuntu), `dnf install bubblewrap` (Fedora).',
  ],
]

const usual =
  'See "Sandboxes do not start" in docs/sandboxes.md, or set JETTY_SANDBOX=docker or ' +
  'podman where one of them runs.'

/** Docker and Podman leave these files in every container. */
const isContainer = (): boolean => existsSync('/.dockerenv') || existsSync('/run/.containerenv')

/** Finds the remedy for an error output. */
export const remedyFor = (said: string): string => {
  const remedy = exhaustionRemedy(said) ?? remedies.find(([pattern]) => pattern.test(said))?.[1] ?? usual
  return namespaces.test(said) && isContainer() ? `${ofContainer} If the host forbids them: ${remedy}` : remedy
}
