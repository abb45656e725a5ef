#!/usr/bin/env python3
"""Explicit-state model of the purchase protocol: every interleaving of crashes, lost and late answers, refusals, deaths,
forgetful services, lost states and two writers, breadth-first, so that the trace of a finding is a shortest one.

One tick is five minutes: token_ttl 1, visibility grace 2, and a signed request arrives within 1 or never.  Ages are capped
where nothing depends on them any more.  A process can stand still for any number of ticks between any two of its steps.
Not modelled: pacing, settings after the purchase but the name, torn journal lines, looks that are not one moment.

  protocol_model.py                     all rows, a line each (--markdown: the tables of RESULTS.md)
  protocol_model.py --self-test         a quick part of it with the verdicts that must come out, sabotage included
  protocol_model.py SCENARIO [POLICY] [key=value ...]      rows with their traces; keys as in BASE, e.g. late_grace=0
"""
import sys
import time
from collections import deque, namedtuple

INF = 99
TTL, GRACE, LATE = 1, 2, 1      # token_ttl, visibility_grace, how long a signed request may be on its way

Inst = namedtuple('Inst', 'token spec name age st')     # name: address whose name it bears; st: L live F failed I isolated G gone
Mem = namedtuple('Mem', 'token body ids age')           # what the service remembers
Flight = namedtuple('Flight', 'token body age')         # a request that timed out for its sender and may still arrive
Intent = namedtuple('Intent', 'token body att age con') # att: ages of attempts that may have had an effect, oldest first; age: since the look of its plan; con: refusals that a dry run contradicted
Ent = namedtuple('Ent', 'id pred seen age')             # who stands at an address; age since the answer
Store = namedtuple('Store', 'ent pred dep jrn')         # state file and journal; pred: by address, '-' for the first; dep: left over
Writer = namedtuple('Writer', 'pc man cur got stale inc')
S = namedtuple('S', 'insts mem flight wr st lock bud snap nonce flag never')     # never: tokens that the service refuses for ever
IDLE = Writer('START', 0, None, None, False, None)

# A token is (((address, predecessor), ...), spec, nonce): equal for equal members, predecessors and body, on any machine.
# A predecessor is '-', the id of an instance, or the token of a batch that brought no instance for this member.
# A body is (spec, count, secret): the secret is in the bytes and not in the token.

BASE = dict(
    site='tags', writers=1, shared=1, lock=-1,      # lock -1: where the state is shared, too
    names='one', B=2, man=((2, 1, 1),), change=None,
    # the service: how long it remembers tokens, when it lists, what it does on another body under a known token
    TTLS=INF, V=0, TTLC=TTL, mismatch='replay', quota_first=0,
    # budgets of bad luck; `again`: runs after one that stopped and asked
    lost=0, late=0, crash=0, refuse=0, sticky=0, kill=0, isolate=0, fail=0, partial=0, lose=0, stale=0, again=0, lose_any=0,
    # the protocol; 0 takes a rule away
    look=1, intent=1, pred=1, same_token=1, refusal_doubted=1, late_grace=1, signature=1, rule7=1, rule7_settling=1, seen=1,
    unwanted_looked=1, name_alone=1, since_plan=1, refusal_at_look=1, secret_kept=1, dry_run=1, arriving=1, wanted_exact=0,
    states=40000)           # most states of a row; one that has more is marked as bounded
BUD = ('lost', 'late', 'crash', 'refuse', 'sticky', 'kill', 'isolate', 'fail', 'partial', 'lose', 'stale', 'again', 'change')


class Cfg:
    def __init__(self, **k):
        unknown = set(k) - set(BASE)
        assert not unknown, unknown
        self.__dict__.update(BASE)
        self.__dict__.update(k)
        self.N = 3
        self.lock = self.shared if self.lock == -1 else self.lock
        self.proof = GRACE + (LATE if self.late_grace else 0)
        self.inst_cap = max(self.V if self.V < INF else 0, 0 if self.site == 'tags' else 2 * GRACE + 2)
        self.mem_cap = self.TTLS if self.TTLS < INF else 0
        self.att_cap = GRACE + LATE if self.site == 'tags' or self.since_plan else self.inst_cap
        self.most = max(m[0] for m in self.man + ((self.change,) if self.change else ()))


def put(t, i, v):
    return t[:i] + (v,) + t[i + 1:]


def show(token):
    text = ' '.join('%d>%s' % (a, p if not isinstance(p, tuple) else 'batch') for a, p in token[0])
    return '[%s]%s%s' % (text, '' if token[1] == 1 else "'", '#%d' % token[2] if token[2] else '')


def match(members, ids, insts):
    """Who is who: by shared names first, the rest in sorted order."""
    out, left, free = {}, [], sorted(ids)
    for a in members:
        own = [i for i in free if insts[i].name == a]
        if own:
            out[a] = own[0]
            free.remove(own[0])
        else:
            left.append(a)
    out.update(zip(left, free))
    return out


class Model:
    def __init__(self, c):
        self.c = c
        self.blank = Store((None,) * c.N, ('-',) * c.N, (), ())
        stores = 1 if c.shared else c.writers
        bud = tuple((1 if c.change else 0) if b == 'change' else getattr(c, b) for b in BUD)
        self.init = S((), (), (), (IDLE,) * c.writers, (self.blank,) * stores, None, bud, None, 0, None, ())

    # ---- the service ---------------------------------------------------------------------------------------------
    def left(self, s, b):
        return s.bud[BUD.index(b)]

    def spend(self, s, b):
        k = BUD.index(b)
        return s._replace(bud=put(s.bud, k, s.bud[k] - 1))

    def listed(self, i):
        return i.st != 'G' and i.age >= self.c.V

    def execute(self, s, token, body):
        """All results that the service may give: (label, state, result)."""
        c = self.c
        m = next((m for m in s.mem if m.token == token and (c.TTLS == INF or m.age < c.TTLS)), None)
        if token in s.never:
            yield 'refused for ever', s, ('refused',)
            return
        if self.left(s, 'sticky') and m is None:
            yield 'refused, for ever', self.spend(s, 'sticky')._replace(never=s.never + (token,)), ('refused',)
        if self.left(s, 'refuse') and (m is None or c.quota_first):
            yield 'refused', self.spend(s, 'refuse'), ('refused',)
        if m and (m.body == body or c.mismatch == 'replay'):
            yield 'replays %s' % list(m.ids), s, ('ids', m.ids)
            return
        if m and c.mismatch == 'error':
            yield 'mismatch error', s, ('mismatch',)
            return
        counts = [body[1]] + ([body[1] - 1] if self.left(s, 'partial') and body[1] > 1 else [])
        for n in counts:
            ids = tuple(range(len(s.insts), len(s.insts) + n))
            x = s if n == body[1] else self.spend(s, 'partial')
            mem = tuple(k for k in s.mem if k.token != token) + ((Mem(token, body, ids, 0),) if c.TTLS else ())
            new = (Inst(token, body[0], token[0][0][0], 0, 'L'),) * n
            yield 'BUYS %s' % list(ids), x._replace(insts=s.insts + new, mem=mem), ('ids', ids)

    # ---- the world -----------------------------------------------------------------------------------------------
    def tick(self, s):
        c = self.c
        up = lambda age, cap: min(age + 1, cap)
        return s._replace(
            insts=tuple(i._replace(age=up(i.age, c.inst_cap)) for i in s.insts),
            mem=tuple(m._replace(age=up(m.age, c.mem_cap)) for m in s.mem),
            flight=tuple(f._replace(age=up(f.age, LATE + 1)) for f in s.flight if not c.signature or f.age < LATE),
            wr=tuple(w._replace(stale=w.pc == 'SEND' and bool(c.signature), inc=None if w.inc is None else up(w.inc, GRACE))
                     for w in s.wr),
            st=tuple(self.older(t) for t in s.st), snap=s.snap and self.older(s.snap))

    def older(self, t):
        ent = tuple(e if e is None or e.seen else e._replace(age=min(e.age + 1, GRACE)) for e in t.ent)
        return t._replace(ent=ent, jrn=tuple(self.aged(j) for j in t.jrn))

    def aged(self, j):
        age = min(j.age + 1, GRACE + 1) if self.c.site == 'names' else 0
        return j._replace(att=tuple(min(a + 1, self.c.att_cap) for a in j.att), age=age)

    def world(self, s):
        busy = any(w.pc not in ('DONE', 'STOP') for w in s.wr)
        if busy or s.flight:
            yield 'five minutes pass', self.tick(s)
        for k, f in enumerate(s.flight):
            rest = s._replace(flight=s.flight[:k] + s.flight[k + 1:])
            for lab, x, _ in self.execute(rest, f.token, f.body):
                yield 'the late request arrives: ' + lab, x
        if not busy:
            return
        for i, inst in enumerate(s.insts):
            for budget, st, lab in (('kill', 'G', 'somebody removes %d'), ('isolate', 'I', 'somebody isolates %d'),
                                    ('fail', 'F', 'LAUNCH_FAILED %d')):
                if inst.st == 'L' and self.left(s, budget):
                    yield lab % i, self.spend(s, budget)._replace(insts=put(s.insts, i, inst._replace(st=st)))

    # ---- the client ----------------------------------------------------------------------------------------------
    def sid(self, w):
        return 0 if self.c.shared else w

    def save(self, s, w, **k):
        i = self.sid(w)
        return s._replace(st=put(s.st, i, s.st[i]._replace(**k)))

    def setw(self, s, w, **k):
        return s._replace(wr=put(s.wr, w, s.wr[w]._replace(**k)))

    def crashed(self, s, w):
        x = self.spend(s, 'crash')
        if not self.c.intent:
            x = self.save(x, w, jrn=())
        x = x._replace(wr=put(x.wr, w, IDLE._replace(man=s.wr[w].man)))
        return x._replace(lock=None if x.lock == w else x.lock)

    def steps(self, s):
        yield from self.world(s)
        for w, wr in enumerate(s.wr):
            if wr.pc == 'DONE':
                continue
            if wr.pc == 'STOP':
                if self.left(s, 'again'):
                    yield 'w%d: runs again' % w, self.setw(self.spend(s, 'again'), w, pc='START', cur=None, got=None, inc=None)
                continue
            for lab, x in getattr(self, wr.pc.lower())(s, w):
                yield 'w%d: %s' % (w, lab), x
            if wr.pc != 'START' and self.left(s, 'crash'):
                yield 'w%d: CRASH' % w, self.crashed(s, w)

    def start(self, s, w):
        if self.c.lock:
            if s.lock not in (None, w):
                return
            s = s._replace(lock=w)
        go = self.setw(s, w, pc='SETTLE')
        changed = lambda x: self.setw(self.spend(x, 'change'), w, man=-1)
        yield 'starts', go
        if self.left(s, 'change'):
            yield 'MANIFEST CHANGED, starts', changed(go)
        settled = not s.flight and all(self.listed(i) or i.st == 'G' for i in s.insts)
        if self.left(s, 'lose') and (self.c.lose_any or settled):
            x = self.save(self.spend(go, 'lose'), w, **self.blank._asdict())
            yield 'STATE LOST, starts', x
            if self.left(x, 'change'):
                yield 'STATE LOST, MANIFEST CHANGED, starts', changed(x)
        if self.left(s, 'stale') and s.snap:
            yield 'OLD STATE RESTORED, starts', self.save(self.spend(go, 'stale'), w, **s.snap._asdict())

    def stop(self, s, w, why):
        return 'STOPS AND ASKS: ' + why, self.setw(s, w, pc='STOP')._replace(lock=None if s.lock == w else s.lock)

    def manifest(self, wr):
        return self.c.change if wr.man == -1 else self.c.man[wr.man]

    def unclaimed(self, s, st):
        """What a look lists and nobody holds; ids that stood at an address before are somebody's."""
        if not self.c.look:
            return []
        ours = {e.id for e in st.ent if e} | {e.pred for e in st.ent if e} | set(st.pred) | set(st.dep)
        return [i for i, x in enumerate(s.insts) if self.listed(x) and i not in ours]

    def may_be(self, s, i, token, since=None, spec=True):
        """Whether an instance may be one of a batch's: by its tag; without tags by name, body and time."""
        c, x = self.c, s.insts[i]
        if c.site == 'tags':
            return x.token == token
        if x.st == 'I' or spec and x.spec != token[1] or since is not None and x.age > since + 1:
            return False
        return c.names == 'one' or x.name in [a for a, _ in token[0]]

    def batches(self, st, man, missing):
        """Cut at fixed places of the manifest's list, not at what happens to be missing."""
        count, spec, _ = man
        for lo in range(0, count, self.c.B):
            mem = tuple((a, st.pred[a] if self.c.pred else '-') for a in range(lo, min(count, lo + self.c.B)) if a in missing)
            if mem:
                yield (mem, spec, 0)

    def assign(self, s, w, token, ids, found):
        """Answer or finding into the state: who is who, and a predecessor for whom nothing came."""
        st, c = s.st[self.sid(w)], self.c
        ent, pred, dep = st.ent, st.pred, st.dep
        who = match([a for a, _ in token[0]], ids, s.insts)
        for a, p in token[0]:
            if a not in who:
                pred = put(pred, a, token)
            elif found and s.insts[who[a]].st in 'FI':
                pred, ent, dep = put(pred, a, who[a]), put(ent, a, None), dep + (who[a],)
            else:
                ent, pred = put(ent, a, Ent(who[a], p, not c.seen, 0)), put(pred, a, '-')
        jrn = tuple(j for j in st.jrn if j.token != token)
        return self.setw(self.save(s, w, ent=ent, pred=pred, dep=tuple(sorted(set(dep))), jrn=jrn), w, pc='SETTLE', cur=None, got=None, inc=None)

    def close(self, s, w, token, pc='SETTLE'):
        st = s.st[self.sid(w)]
        return self.setw(self.save(s, w, jrn=tuple(j for j in st.jrn if j.token != token)), w, pc=pc, cur=None, got=None, inc=None)

    def wanted(self, s, w, j):
        count, spec, _ = self.manifest(s.wr[w])
        st = s.st[self.sid(w)]
        if not self.c.wanted_exact:          # everything that it would bring, however batches would be cut today
            return j.token[1] == spec and all(a < count and not st.ent[a] and (st.pred[a] == p or not self.c.pred) for a, p in j.token[0])
        missing = {a for a in range(count) if not st.ent[a]}
        return any(t[0] == j.token[0] and t[1] == j.token[1] for t in self.batches(s.st[self.sid(w)], (count, spec, 0), missing))

    def settle(self, s, w):
        """Rules 2, 4, 7, 9: look; take what is found; ask, wait or send."""
        c, st, wr = self.c, s.st[self.sid(w)], s.wr[w]
        if not st.jrn:
            yield 'plans', self.setw(s, w, pc='PLAN', inc=None)
            return
        j = st.jrn[0]
        wanted = self.wanted(s, w, j)
        if not wanted and not j.att:
            yield 'closes what nobody wants and was never sent', self.close(s, w, j.token)
            return
        free = self.unclaimed(s, st)
        since = None
        if c.site == 'names':                    # what is older than this, the look of the plan would have shown
            since = j.age + GRACE if c.since_plan else j.att[0] if j.att else 0
        found = [i for i in free if self.may_be(s, i, j.token, since)]
        drop = s if j.att else self.close(s, w, j.token)
        if len(found) == len(j.token[0]):
            yield 'looks, takes %s' % found, self.assign(s, w, j.token, found, True)
            return
        if len(found) > len(j.token[0]):
            yield self.stop(drop, w, 'more candidates than members')
            return
        if found:
            if wr.inc is None:
                yield 'looks, sees %s of %d, waits' % (found, len(j.token[0])), self.setw(s, w, inc=0)
            elif wr.inc >= GRACE:
                yield self.stop(drop, w, 'a batch is listed in part')
            return
        if c.site == 'tags' and c.rule7 and c.rule7_settling:
            ours, members = {k.token for k in st.jrn}, {a for a, _ in j.token[0]}
            if any(s.insts[i].st != 'I' and s.insts[i].token not in ours and members & {a for a, _ in s.insts[i].token[0]} for i in free):
                yield self.stop(drop, w, 'a stranger may be a member')
                return
        if c.site == 'names' and c.name_alone and c.rule7 and any(self.may_be(s, i, j.token, since, spec=False) for i in free):
            yield self.stop(drop, w, 'a stranger may be a member')
            return
        old = not j.att or j.att[-1] >= c.proof
        fresh = not j.att or j.att[0] <= c.TTLC
        same = j.body[2] == self.manifest(wr)[2] or not j.att or not c.secret_kept
        if j.att and not wanted and (old or c.unwanted_looked) or not same:
            if old:
                yield 'looks, nothing after the grace: closes', self.close(s, w, j.token)
            return
        if not (old or fresh):
            return
        att = j.att + (0,)
        jj = j._replace(att=att if len(att) < 4 else (att[0],) + att[-2:], body=j.body[:2] + (self.manifest(wr)[2],))
        yield 'looks, finds nothing, signs', self.setw(self.save(s, w, jrn=(jj,) + st.jrn[1:]), w, pc='SEND', cur=jj.token, inc=None)

    def no_effect(self, s, w):
        """The attempt under way is known to have had no effect."""
        st = s.st[self.sid(w)]
        jrn = tuple(j._replace(att=j.att[:-1]) if j.token == s.wr[w].cur else j for j in st.jrn)
        return self.save(s, w, jrn=jrn)

    def send(self, s, w):
        c, wr, st = self.c, s.wr[w], s.st[self.sid(w)]
        if wr.stale:
            yield 'the signature is too old', self.setw(self.no_effect(s, w), w, pc='SETTLE', cur=None, stale=False)
            return
        j = next(j for j in st.jrn if j.token == wr.cur)
        text = 'sends %s' % show(j.token)
        back = lambda x: self.setw(x, w, pc='SETTLE', cur=None)
        unwanted = not self.wanted(s, w, j)
        for lab, x, res in self.execute(s, j.token, j.body):
            if unwanted and lab[:4] == 'BUYS':
                x = x._replace(flag='BUYS WHAT NOBODY WANTS')
            lab = '%s -> %s' % (text, lab)
            yield lab, self.setw(x, w, pc='GOT', got=res)
            if self.left(x, 'lost'):
                yield lab + ', ANSWER LOST', back(self.spend(x, 'lost'))
            if self.left(x, 'crash'):
                yield lab + ', CRASH', self.crashed(x, w)
        if self.left(s, 'lost'):
            yield text + ' -> LOST BEFORE', back(self.spend(s, 'lost'))
        if self.left(s, 'late'):
            x = self.spend(s, 'late')
            x = x._replace(flight=x.flight + (Flight(j.token, j.body, 0),))
            yield text + ' -> NO ANSWER, STILL ON ITS WAY', back(x)
            if self.left(x, 'crash'):
                yield text + ' -> CRASH, STILL ON ITS WAY', self.crashed(x, w)

    def got(self, s, w):
        """Rules 3, 5, 8."""
        c, wr, st = self.c, s.wr[w], s.st[self.sid(w)]
        if wr.got[0] == 'ids':
            members = {a for a, _ in wr.cur[0]}
            if any(e and e.id in wr.got[1] and a not in members for a, e in enumerate(st.ent)):
                yield self.stop(s, w, 'an id that another address holds')
                return
            yield 'writes the answer down', self.assign(s, w, wr.cur, wr.got[1], False)
            return
        if wr.got[0] == 'mismatch':
            yield 'mismatch says nothing: stays open', self.setw(s, w, pc='SETTLE', cur=None, got=None)
            return
        x = self.no_effect(s, w)
        *att, this = next(j.att for j in st.jrn if j.token == wr.cur)
        # How old the last doubtful attempt was at the look that came before this one, not how old it is now.
        if not att or att[-1] - (this if c.refusal_at_look else 0) >= c.proof or not c.refusal_doubted:
            if not c.dry_run or wr.cur not in s.never:
                yield 'the refusal is proof, and a dry run refused as well: closes', self.close(x, w, wr.cur, pc='PLAN')
            if not c.dry_run:
                return
            j = next(j for j in x.st[self.sid(w)].jrn if j.token == wr.cur)
            if j.con < 1:
                jrn = tuple(k._replace(con=1) if k.token == wr.cur else k for k in x.st[self.sid(w)].jrn)
                yield 'refused, a dry run passes: again', self.setw(self.save(x, w, jrn=jrn), w, pc='SETTLE', cur=None, got=None)
                return
            pred = x.st[self.sid(w)].pred
            for a, _ in wr.cur[0]:
                pred = put(pred, a, wr.cur)
            yield 'refused again though a dry run passes: the token is the predecessor', self.close(self.save(x, w, pred=pred), w, wr.cur, pc='PLAN')
        else:
            yield 'the refusal proves nothing: stays open', self.setw(x, w, pc='SETTLE', cur=None, got=None)

    def plan(self, s, w):
        c, st, wr = self.c, s.st[self.sid(w)], s.wr[w]
        man = self.manifest(wr)
        count, waiting, ent, pred, dep = man[0], False, st.ent, st.pred, st.dep
        for a, e in enumerate(ent):                                      # rule 6
            if not e:
                continue
            i = s.insts[e.id]
            if self.listed(i) and i.st == 'I' and a < count:
                yield self.stop(s, w, '%d is isolated' % e.id)
                return
            if self.listed(i) and i.st == 'L':
                ent = put(ent, a, e._replace(seen=True, age=0))
            elif self.listed(i) or e.seen:
                ent, pred = put(ent, a, None), put(pred, a, e.id)
                dep += (e.id,) if self.listed(i) else ()
            elif e.age < GRACE:
                waiting = True
            elif a < count:
                yield self.stop(s, w, '%d was answered and never listed' % e.id)
                return
        if (ent, pred) != (st.ent, st.pred):
            lab = 'refreshes' + ('' if pred == st.pred else ': predecessors %s' % [show(p) if isinstance(p, tuple) else p for p in pred])
            yield lab, self.save(s, w, ent=ent, pred=pred, dep=tuple(sorted(set(dep))))
            return
        missing = {a for a in range(count) if not ent[a]}
        if not missing:
            yield from self.nothing_missing(s, w, count, waiting)
            return
        for token in self.batches(st, man, missing):                     # find again; what is found dead makes another batch
            found = [i for i in self.unclaimed(s, st) if self.may_be(s, i, token)]
            if len(found) == len(token[0]):
                yield 'looks, finds again %s' % found, self.setw(self.assign(s, w, token, found, True), w, pc='PLAN')
                return
        tokens = list(self.batches(st, man, missing))
        free = [i for i in self.unclaimed(s, st) if s.insts[i].st != 'I']
        if c.site == 'tags':
            odd = [i for i in free if s.insts[i].token not in tokens and missing & {a for a, _ in s.insts[i].token[0]}]
        else:
            odd = [i for i in free if any(self.may_be(s, i, t, spec=not c.name_alone) for t in tokens)]
            if c.arriving:       # a batch of a moment ago that is listed in part: the look before the request waits for the rest
                for t in tokens:
                    part = [i for i in free if s.insts[i].age <= GRACE and self.may_be(s, i, t)]
                    odd = [i for i in odd if i not in part or len(part) >= len(t[0])]
        if odd and c.rule7:
            yield self.stop(s, w, '%s may be what is missing' % odd)
            return
        if not c.same_token:
            tokens = [t[:2] + (s.nonce + k + 1,) for k, t in enumerate(tokens)]
            s = s._replace(nonce=s.nonce + len(tokens))
        new = tuple(Intent(t, (man[1], len(t[0]), man[2]), (), 0, 0) for t in tokens)
        yield 'writes intents ' + ' '.join(map(show, tokens)), self.setw(self.save(s, w, jrn=st.jrn + new), w, pc='SETTLE')

    def nothing_missing(self, s, w, count, waiting):
        c, st, wr = self.c, s.st[self.sid(w)], s.wr[w]
        for a, e in enumerate(st.ent):                                   # return what is not desired
            if e and a >= count:
                x = self.save(s, w, ent=put(st.ent, a, None), pred=put(st.pred, a, e.id))
                i = s.insts[e.id]
                yield 'returns %d' % e.id, x._replace(insts=put(s.insts, e.id, i._replace(st='I' if i.st == 'L' else i.st)))
                return
        if waiting:
            return
        for a, e in enumerate(st.ent):
            if e and c.site == 'names' and c.names == 'own' and s.insts[e.id].name != a and s.insts[e.id].st == 'L':
                yield 'names %d after its address' % e.id, s._replace(insts=put(s.insts, e.id, s.insts[e.id]._replace(name=a)))
                return
        x = s._replace(lock=None) if s.lock == w else s
        if self.left(s, 'stale') and not s.snap:
            x = x._replace(snap=st)
        more = 0 <= wr.man < len(c.man) - 1
        yield 'done', x._replace(wr=put(x.wr, w, Writer('START' if more else 'DONE', wr.man + more, None, None, False, None)))

    # ---- what must be true ---------------------------------------------------------------------------------------
    def check(self, s):
        if s.flag:
            return s.flag
        if any(w.pc not in ('DONE', 'STOP') for w in s.wr) or s.flight:
            return None
        stopped = any(w.pc == 'STOP' for w in s.wr)
        live = {i for i, x in enumerate(s.insts) if x.st == 'L'}
        n = self.c.most if stopped else max(self.manifest(w)[0] for w in s.wr)
        if len(live) > n:
            return 'BOUGHT TWICE'
        if not stopped and live - {e.id for t in s.st for e in t.ent if e}:
            return 'FORGOTTEN'
        for w, wr in enumerate(s.wr):
            if wr.pc == 'DONE':
                e = [x.id for x in s.st[self.sid(w)].ent if x]
                if len(set(e)) != len(e) or len(e) != self.manifest(wr)[0]:
                    return 'STATE WRONG'
        return 'stop' if stopped else None

    def explore(self):
        """Verdict, trace, number of states, the stops with their shortest traces."""
        number, order, parent, edges, stops, final = {self.init: 0}, [self.init], [None], [], {}, []
        k = 0
        bounded = False
        while k < len(order):
            s = order[k]
            bad = self.check(s)
            if bad == 'stop':
                why = next(l for l in self.reverse(order, parent, k) if 'STOPS' in l).split('ASKS: ')[1]
                stops.setdefault(why.strip('[]0123456789, '), k)
            elif bad:
                return bad, self.trace(order, parent, k), len(order), {}
            if len(order) > self.c.states:
                bounded = True
                break
            out = []
            for lab, x in self.steps(s):
                if x == s:
                    continue
                n = number.setdefault(x, len(order))
                if n == len(order):
                    order.append(x)
                    parent.append((k, lab))
                out.append(n)
            edges.append(out)
            if not out and not all(w.pc in ('DONE', 'STOP') for w in s.wr):
                return 'STUCK', self.trace(order, parent, k), len(order), {}
            if all(w.pc in ('DONE', 'STOP') for w in s.wr):
                final.append(k)
            k += 1
        if not bounded:
            stuck = self.never_ends(len(order), edges, final)
            if stuck is not None:
                return 'NEVER SETTLES', self.trace(order, parent, stuck), len(order), {}
        verdict = 'stops' if stops else 'holds'
        return verdict + (' (bounded)' if bounded else ''), [], len(order), {w: self.trace(order, parent, k) for w, k in stops.items()}

    @staticmethod
    def never_ends(n, edges, final):
        back = [[] for _ in range(n)]
        for k, out in enumerate(edges):
            for x in out:
                back[x].append(k)
        ends, q = set(final), deque(final)
        while q:
            for p in back[q.popleft()]:
                if p not in ends:
                    ends.add(p)
                    q.append(p)
        return next((k for k in range(n) if k not in ends), None)

    @staticmethod
    def reverse(order, parent, k):
        while parent[k]:
            k, lab = parent[k]
            yield lab

    def trace(self, order, parent, k):
        return list(self.reverse(order, parent, k))[::-1]


# ---- scenarios, services, tables -------------------------------------------------------------------------------------
SCENARIOS = {
    'retry':         dict(lost=2, crash=1),
    'crash':         dict(lost=1, crash=2),
    'late':          dict(late=1, crash=1, lost=1),
    'refused':       dict(lost=1, refuse=1, crash=1),
    'refused, quota first': dict(lost=1, refuse=1, crash=1, quota_first=1),
    'late, refused, body changed': dict(late=1, refuse=1, crash=1, change=(2, 2, 1), quota_first=1),
    'refused for ever': dict(lost=1, sticky=1, crash=1),
    'refused for ever, late': dict(late=1, sticky=1, refuse=1),
    'failed':        dict(lost=1, crash=1, fail=2),
    'gone':          dict(lost=1, crash=1, kill=2),
    'isolated':      dict(crash=1, isolate=1),
    'partial':       dict(lost=1, crash=1, partial=1),
    'count 2 to 3':  dict(late=1, crash=1, change=(3, 1, 1)),
    'count 2 to 1':  dict(late=1, crash=1, change=(1, 1, 1)),
    'body':          dict(late=1, crash=1, change=(2, 2, 1)),
    'secret, replay': dict(late=1, crash=1, change=(2, 1, 2), mismatch='replay'),
    'secret, error': dict(late=1, crash=1, change=(2, 1, 2), mismatch='error'),
    'secret, buys':  dict(late=1, crash=1, change=(2, 1, 2), mismatch='buy'),
    'recreated':     dict(crash=1, man=((2, 1, 1), (0, 1, 1), (2, 1, 1))),
    'state lost':    dict(crash=1, lose=1),
    'lost, late':    dict(late=1, lose=1, crash=1),
    'lost at once':  dict(lose=1, crash=1, lose_any=1),
    'lost at once, late': dict(late=1, lose=1, crash=1, lose_any=1),
    'lost at once, body': dict(crash=1, lose=1, change=(2, 2, 1), lose_any=1),
    'lost, gone':    dict(crash=1, lose=1, kill=1, again=1),
    'lost, failed':  dict(crash=1, lose=1, fail=1),
    'lost, refused': dict(crash=1, lose=1, refuse=1),
    'lost, partial': dict(crash=1, lose=1, partial=1),
    'lost, secret':  dict(crash=1, lose=1, change=(2, 1, 2), mismatch='error'),
    'lost, count 3': dict(crash=1, lose=1, change=(3, 1, 1)),
    'lost, batch cut anew': dict(crash=1, lose=1, change=(3, 1, 1), B=3, again=1),
    'lost, body':    dict(crash=1, lose=1, change=(2, 2, 1), again=1),
    'lost, recreated': dict(lose=1, man=((2, 1, 1), (0, 1, 1), (2, 1, 1))),
    'old state, gone': dict(stale=1, kill=1, man=((2, 1, 1), (2, 1, 1), (2, 1, 1))),
    'own names':     dict(names='own', crash=1, late=1),
    'own names, lost': dict(names='own', crash=1, lose=1, fail=1),
    '2 writers, lock': dict(writers=2, lost=1, crash=1),
    '2 writers, lock, gone': dict(writers=2, crash=1, kill=1),
    '2 writers, 2 states, lock, other commit': dict(writers=2, shared=0, lock=1, crash=1, change=(2, 2, 1)),
    '2 writers':     dict(writers=2, shared=0, crash=1),
    '2 writers, late': dict(writers=2, shared=0, late=1),
    '2 writers, failed': dict(writers=2, shared=0, fail=1),
    '2 writers, gone': dict(writers=2, shared=0, kill=1),
    '2 writers, refused': dict(writers=2, shared=0, refuse=1),
    '2 writers, refused for ever': dict(writers=2, shared=0, sticky=1),
    '2 writers, partial': dict(writers=2, shared=0, partial=1),
    '2 writers, other commit': dict(writers=2, shared=0, change=(2, 2, 1)),
}

# How long the service remembers a token, when it lists a purchase, the client's token_ttl; in ticks.
SERVICES = {
    'always, at once':       dict(TTLS=INF, V=0, TTLC=TTL),
    'always, in grace':      dict(TTLS=INF, V=GRACE, TTLC=TTL),
    'long, in grace':        dict(TTLS=TTL + LATE + 1, V=GRACE, TTLC=TTL),
    'never, at once, ttl 0': dict(TTLS=0, V=0, TTLC=-1),
    'never, in grace, ttl 0': dict(TTLS=0, V=GRACE, TTLC=-1),
    'always, unlisted':      dict(TTLS=INF, V=INF, TTLC=TTL),
    'long, unlisted':        dict(TTLS=TTL + LATE + 1, V=INF, TTLC=TTL),
    'never, in grace':       dict(TTLS=0, V=GRACE, TTLC=TTL),
}


def run(scenario, service, **more):
    return Model(Cfg(**{**SCENARIOS[scenario], **SERVICES[service], **more})).explore()


# One rule less each: (option, scenario, service, site, what must be found, where the whole protocol gives, what it is).
VARIANTS = [
    ('look', 'retry', 'never, in grace, ttl 0', 'tags', 'BOUGHT TWICE', 'holds', 'rule 2: no look before a request'),
    ('same_token', '2 writers', 'always, in grace', 'tags', 'BOUGHT TWICE', 'holds', 'a random token'),
    ('same_token', 'lost at once', 'long, in grace', 'tags', 'BOUGHT TWICE', 'holds', 'a random token'),
    ('pred', 'failed', 'always, at once', 'tags', 'NEVER SETTLES', 'holds', 'no predecessor in the token'),
    ('refusal_doubted', 'late, refused, body changed', 'always, in grace', 'tags', 'BOUGHT TWICE', 'holds', 'rule 5: a refusal is proof'),
    ('refusal_at_look', 'late, refused, body changed', 'always, in grace', 'tags', 'stops', 'holds', 'rule 5: age measured at the refusal, not at the look before it'),
    ('dry_run', 'refused for ever', 'always, in grace', 'tags', 'NEVER SETTLES', 'holds', 'rule 5: a token that is refused for ever stays what it is'),
    ('late_grace', 'late', 'never, in grace, ttl 0', 'tags', 'BOUGHT TWICE', 'holds', 'rule 4: the grace without the way'),
    ('late_grace', 'body', 'always, in grace', 'tags', 'BOUGHT TWICE', 'holds', 'rule 4: the grace without the way'),
    ('signature', 'late', 'never, in grace, ttl 0', 'tags', 'BOUGHT TWICE', 'holds', 'rule 2: signatures that never expire'),
    ('intent', 'crash', 'never, in grace, ttl 0', 'tags', 'BOUGHT TWICE', 'holds', 'rule 1: no intent on disk'),
    ('seen', 'retry', 'always, in grace', 'tags', 'BOUGHT TWICE', 'holds', 'rule 6: what is not listed is gone'),
    ('rule7', 'lost, body', 'always, at once', 'tags', 'BOUGHT TWICE', 'stops', 'rule 7: strangers are not minded'),
    ('rule7_settling', '2 writers, 2 states, lock, other commit', 'always, at once', 'tags', 'BOUGHT TWICE', 'stops', 'rule 7: at plan alone, not while settling'),
    ('secret_kept', 'secret, buys', 'always, in grace', 'tags', 'BOUGHT TWICE', 'holds', 'rule 9: repeats with other bytes'),
    ('unwanted_looked', 'count 2 to 1', 'always, in grace', 'tags', 'BUYS WHAT NOBODY WANTS', 'holds', 'repeats within token_ttl what nobody wants any more'),
    ('name_alone', 'lost, body', 'always, at once', 'names', 'BOUGHT TWICE', 'stops', 'rule 7 without tags: another body is no candidate'),
    ('since_plan', 'lost at once', 'long, in grace', 'names', 'BOUGHT TWICE', 'holds', 'without tags: candidates since the first attempt of this run alone'),
]

# Verdicts of the whole protocol in the self-test, beside those that the variants are compared with.
EXPECTED = [
    (scenario, service, site, verdict)
    for scenario, verdict in (('retry', 'holds'), ('late', 'holds'), ('crash', 'holds'), ('refused, quota first', 'holds'), ('body', 'holds'),
                              ('gone', 'stops'), ('partial', 'stops'), ('recreated', 'holds'), ('state lost', 'holds'),
                              ('lost, body', 'stops'), ('secret, error', 'holds'), ('2 writers, lock', 'holds'))
    for service in ('always, in grace', 'long, in grace', 'never, in grace, ttl 0')
    for site in ('tags', 'names') if (scenario, site) != ('gone', 'names')
] + [
    ('2 writers', 'long, in grace', 'tags', 'holds'),
    ('2 writers, gone', 'always, at once', 'tags', 'stops'),
    # Beyond the promise: the model must be able to find what no protocol can prevent.
    ('retry', 'long, unlisted', 'tags', 'BOUGHT TWICE'),
    ('retry', 'never, in grace', 'tags', 'BOUGHT TWICE'),
    ('lost at once', 'never, in grace, ttl 0', 'tags', 'BOUGHT TWICE'),
    ('lost at once, body', 'always, in grace', 'tags', 'BOUGHT TWICE'),
    ('2 writers', 'never, in grace, ttl 0', 'tags', 'BOUGHT TWICE'),
    ('2 writers, other commit', 'always, in grace', 'tags', 'BOUGHT TWICE'),
]


def self_test():
    passed = failed = 0
    cases = [(a, b, c, {}, v) for a, b, c, v in EXPECTED]
    for option, scenario, service, site, found, whole, _ in VARIANTS:
        cases += [(scenario, service, site, {}, whole), (scenario, service, site, {option: 0}, found)]
    for scenario, service, site, options, expected in cases:
        verdict = run(scenario, service, site=site, **options)[0]
        if verdict == expected:
            passed += 1
        else:
            failed += 1
            print('FAILED: %s / %s / %s %s: %s, expected %s' % (scenario, service, site, options or '', verdict, expected))
    print('%d passed, %d failed' % (passed, failed))
    return 1 if failed else 0


def markdown():
    """The table of RESULTS.md, the reasons of its stops, and the table of rules taken away."""
    short = {'BOUGHT TWICE': '**twice**', 'NEVER SETTLES': 'open', 'FORGOTTEN': '**forgotten**', 'STATE WRONG': '**wrong**'}
    reasons = {}
    print('| scenario | found by | ' + ' | '.join(SERVICES) + ' | most states |')
    print('|---' * (len(SERVICES) + 3) + '|')
    for scenario in SCENARIOS:
        for site in ('tags', 'names'):
            cells, most = [], 0
            for service in SERVICES:
                verdict, _, n, stops = run(scenario, service, site=site)
                bounded = '(bounded)' in verdict
                verdict = verdict.replace(' (bounded)', '')
                cells.append(short.get(verdict, verdict) + ('*' if bounded else ''))
                most = max(most, n)
                for why in stops:
                    reasons.setdefault(why, set()).add(scenario)
            print('| %s | %s | %s | %d |' % (scenario, site, ' | '.join(cells), most), flush=True)
    print('\n| stops because | in |\n|---|---|')
    for why, scenarios in reasons.items():
        print('| %s | %s |' % (why, '; '.join(s for s in SCENARIOS if s in scenarios)))
    print('\n| without | scenario | service | by | the whole protocol | found | steps |\n|---|---|---|---|---|---|---|')
    for option, scenario, service, site, _, _, what in VARIANTS:
        whole = run(scenario, service, site=site)[0]
        verdict, trace, _, _ = run(scenario, service, site=site, **{option: 0})
        print('| `%s=0`: %s | %s | %s | %s | %s | %s | %d |' % (option, what, scenario, service, site, whole, verdict, len(trace)), flush=True)


def main(args):
    if '--self-test' in args:
        return self_test()
    if '--markdown' in args:
        return markdown()
    pairs = dict(a.split('=', 1) for a in args if '=' in a)
    more = {k: int(v) if v.lstrip('-').isdigit() else v for k, v in pairs.items()}
    names = [a for a in args if '=' not in a]
    scenarios = [n for n in names if n in SCENARIOS] or list(SCENARIOS)
    services = [n for n in names if n in SERVICES] or list(SERVICES)
    sites = [more.pop('site')] if 'site' in more else ['tags', 'names']
    for scenario in scenarios:
        for service in services:
            for site in sites:
                began = time.time()
                verdict, trace, n, stops = run(scenario, service, site=site, **more)
                print('%-40s %-23s %-6s %-18s %6d %5.1fs  %s' % (scenario, service, site, verdict, n, time.time() - began, '; '.join(stops)), flush=True)
                if names:
                    for title, lines in [(verdict, trace)] if trace else stops.items():
                        print('    ' + title)
                        for line in lines:
                            print('        ' + line)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
