//! A server that runs, and consists of one process or of several.
//!
//! Owns the list of its processes, and their end. Must not know which server it is.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use scorebox_workspace::failure::Failure;
use serde_json::Value;

use super::client;
use crate::bench::answer::Question;
use crate::bench::server::{Program, Server};

/// A running server with all of its processes, which are killed when this value is dropped.
pub struct Running {
    /// First process of the server. `None` only while the value is dropped.
    server: Option<Server>,
    pid: u32,
    address: SocketAddr,
}

impl Running {
    /// Starts a server, and waits until it has answered a request. Also returns the time from the
    /// start of the server's process to the answer. Fails if the server ends, or if the status code
    /// of the answer is not 200.
    pub fn start(program: &Program, question: &Question) -> Result<(Self, Duration), Failure> {
        let mut server = program.start()?;
        let (answer, time) = server.first_answer(&question.bytes)?;
        if answer.status != 200 {
            let words = String::from_utf8_lossy(&answer.body);
            let problem = format!("the first answer is {} {words}", answer.status);
            return Err(server.failure(&problem));
        }
        let (pid, address) = (server.pid(), server.address);
        let server = Some(server);
        Ok((
            Self {
                server,
                pid,
                address,
            },
            time,
        ))
    }

    /// Returns the address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the ids of the server's processes: the first process, and its children.
    pub fn pids(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let children = std::fs::read_to_string(path).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(self.pid).chain(children).collect()
    }

    /// Sends a request to the server on a new connection, and returns the answer as JSON. Fails if
    /// the connection breaks, if the status code is not 200, or if the answer is not JSON.
    pub fn ask(&self, request: &[u8]) -> Result<Value, Failure> {
        let broken = |error: std::io::Error| self.failure(&error.to_string());
        let stream = client::connect(self.address).map_err(broken)?;
        let answer = client::ask(&stream, request).map_err(broken)?;
        let body = serde_json::from_slice(&answer.body).ok();
        body.filter(|_| answer.status == 200).ok_or_else(|| {
            let words = String::from_utf8_lossy(&answer.body);
            self.failure(&format!("it answers {} {words}", answer.status))
        })
    }

    /// Returns the failure for a problem of the server, with the last lines of the server's log.
    pub fn failure(&self, problem: &str) -> Failure {
        match &self.server {
            Some(server) => server.failure(problem),
            None => Failure::other(problem.to_owned(), "report it"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The first process would start its children again, so it is killed first.
        let children: Vec<u32> = self.pids().into_iter().skip(1).collect();
        drop(self.server.take());
        for child in children {
            let pid = i32::try_from(child).ok().and_then(Pid::from_raw);
            // A child that has ended cannot be killed, and does not need to be.
            let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}
